"""Which unlabelled image should a person look at next?"""
