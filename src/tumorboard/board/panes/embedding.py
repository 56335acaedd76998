def pane(f):
    return None
