"""Public data sets from where their makers put them: `download` takes a file, `sets` knows which."""
