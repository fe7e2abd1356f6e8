"""A federated run from Python: what docs/python.md tells, as a script. It takes half a minute.

The settings make it small; without them it is the quickstart as it is shipped.
"""

from simulations import api

SMALL = {
    "sketch.faces": 300,
    "sketch.subjects": 30,
    "data.balance": 40,
    "data.image_size": 64,
    "federation.phones": 10,
    "federation.rounds": 3,
    "federation.engine": "process",  # no Ray: the nodes are in this process
    "model.weights": "random",  # nothing to download
}


def main() -> None:
    experiment = api.load("quickstart", settings=SMALL)
    for partition in ("iid", "dirichlet"):
        run = api.run(
            experiment, settings={"federation.partition": partition}, baseline=False, progress=False
        )
        worst = run.summary.across_phones.accuracy.worst_tenth
        print(f"{partition}: accuracy {run.summary.accuracy:.3f}, of the worst tenth of phones {worst:.3f}")
        print(f"  validation accuracy by round: {run.rounds['val_accuracy'].round(3).tolist()}")
        print(f"  the head: {run.head['weight'].shape}; the page: {run.page}")

    again = api.open_run(run.folder)  # later, or elsewhere
    assert again.summary == run.summary
    try:
        api.run("quickstart", settings={"federation.phone": 10})
    except api.InputError as error:
        print(f"refused: {error}")


if __name__ == "__main__":
    main()
