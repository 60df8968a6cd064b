"""A campaign of labelling: train on what is labelled, propose what to label next, see how far it is.

`start.start` makes the folder of a campaign, `propose.propose` trains and queues a batch,
`status.status` says where it stands. Labels go to the ledger (`medgraft.ledger`); images stay
where they lie.
"""
