"""The command line: one file per command.

To add a command, add a module to this folder with a frozen dataclass of the same name in
CamelCase (``lr_find.py`` holds ``LrFind``). Its fields are the flags, its docstring is the
help and ends in an example, and its method ``run()`` does the work. Modules import what they need
inside ``run()``: ``--help`` must answer at once. A folder is a group of commands that are said
in two words: ``active/score.py`` holds ``Score``, which is `medgraft active score`, and the
docstring of ``active/__init__.py`` says what the group is for.
"""
