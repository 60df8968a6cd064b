"""DDSM as it was published: what lies beside its films and says how to read them."""
