"""What must hold after a list of events, worked out from the first event on, in plain loops."""

from collections import Counter


def standing(campaign, readers, images, events):
    """From all events to readings {image: {reader: (act, labels)}} and {image: (status, labels)}."""
    undone = {e.about for e in events if e.act == "undo"}
    held = [e for e in events if e.act != "undo" and e.number not in undone]
    readings = {image: {} for image in images}
    rulings = {}
    for e in held:
        if e.act == "adjudication":
            rulings[e.image_id] = e.labels
        else:
            act = (
                e.act if e.act != "correction" else ("answer" if e.labels is not None else "unsure")
            )
            readings[e.image_id][e.reader] = (act, e.labels)
    return readings, {
        image: ("adjudicated", rulings[image])
        if image in rulings
        else verdict(campaign, readers, readings[image])
        for image in images
    }


def verdict(campaign, readers, said):
    read = {r: labels for r, (act, labels) in said.items() if act != "skip"}
    skipped = [r for r, (act, _) in said.items() if act == "skip"]
    if len(read) < campaign.readers_per_image:
        if skipped and all(r in said for r in readers):
            return "skipped", None
        return "open", None
    answers = [labels for labels in read.values() if labels is not None]
    if not answers:
        return "unsure", None
    if len(answers) == len(read) and all(a == answers[0] for a in answers):
        return "agreed", answers[0]
    half = len(read) / 2
    if campaign.kind == "exclusive":
        name, votes = Counter(a[0] for a in answers).most_common(1)[0]
        return ("majority", (name,)) if votes > half else ("disputed", None)
    chosen = []
    for name in campaign.names:
        yes = sum(name in a for a in answers)
        no = sum(name not in a for a in answers)
        if yes > half:
            chosen.append(name)
        elif no <= half:
            return "disputed", None
    return "majority", tuple(chosen)


def waiting(campaign, readers, readings, standings):
    """{reader: images that may still be given to them}."""
    return {
        reader: {
            image
            for image, (status, _) in standings.items()
            if status == "open" and reader not in readings[image]
        }
        for reader in readers
    }
