"""A finished run folder as fedfer wrote it before its files had a format; numbers are cut to six digits."""

from pathlib import Path


def write(folder: Path) -> Path:
    """Writes the files that pages and other commands read."""
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return folder


FILES = {
    "summary.json": """\
{"kind": "federated", "strategy": "ditto", "partition": "iid", "alpha": 0.3, "partition_options": {},
"rounds": 2, "phones": 3, "nodes": 2, "experiment": "quickstart", "seconds_features": 0.67441, "model":
"mobilenet", "balance": 6, "selected": 2, "seed": 0, "classes": ["happiness", "neutrality"], "accuracy":
0.666667, "balanced_accuracy": 0.666667, "macro_precision": 0.8, "macro_recall": 0.666667, "macro_f1":
0.625, "weighted_precision": 0.8, "weighted_recall": 0.666667, "weighted_f1": 0.625, "per_class":
{"happiness": {"precision": 0.6, "recall": 1.0, "f1": 0.75, "support": 3}, "neutrality": {"precision":
1.0, "recall": 0.333333, "f1": 0.5, "support": 3}}, "confusion": [[3, 0], [2, 1]], "across_phones":
{"phones": 3, "of": 3, "accuracy": {"mean": 0.722222, "p10": 0.533333, "median": 0.666667, "p90":
0.933333, "worst": 0.5, "worst_tenth": 0.5, "variance": 0.0432099, "variance_by_chance": 0.135802},
"macro_f1": {"mean": 0.666667, "p10": 0.4, "median": 0.666667, "p90": 0.933333, "worst": 0.333333,
"worst_tenth": 0.333333, "variance": 0.0740741}, "classes": {"happiness": {"phones": 2, "accuracy": 0.75,
"share_of_worst_tenth": 1.0}, "neutrality": {"phones": 1, "accuracy": 0.666667, "share_of_worst_tenth":
0.0}}}, "own_heads": {"accuracy": 0.666667, "balanced_accuracy": 0.666667, "macro_precision": 0.666667,
"macro_recall": 0.666667, "macro_f1": 0.666667, "weighted_precision": 0.666667, "weighted_recall":
0.666667, "weighted_f1": 0.666667, "per_class": {"happiness": {"precision": 0.666667, "recall": 0.666667,
"f1": 0.666667, "support": 3}, "neutrality": {"precision": 0.666667, "recall": 0.666667, "f1": 0.666667,
"support": 3}}, "confusion": [[2, 1], [1, 2]], "across_phones": {"phones": 3, "of": 3, "accuracy":
{"mean": 0.722222, "p10": 0.533333, "median": 0.666667, "p90": 0.933333, "worst": 0.5, "worst_tenth": 0.5,
"variance": 0.0432099, "variance_by_chance": 0.135802}, "macro_f1": {"mean": 0.577778, "p10": 0.346667,
"median": 0.4, "p90": 0.88, "worst": 0.333333, "worst_tenth": 0.333333, "variance": 0.0898765}, "classes":
{"happiness": {"phones": 2, "accuracy": 0.75, "share_of_worst_tenth": 1.0}, "neutrality": {"phones": 1,
"accuracy": 0.666667, "share_of_worst_tenth": 0.0}}}}, "phones_trained": 6, "phones_dropped": 0, "photos":
24, "bytes_down": 61488, "bytes_up": 61488, "wire_bytes": 249680, "seconds_training": 0.0127509,
"phones_per_second": 470.554, "parameters": 2226434, "parameters_trained": 2562, "multiply_adds": 6114688,
"ms_per_photo": 0.343522, "seconds": 2.60554, "head_sha256":
"afefeb866acb3596d548a3b17130bcd8a8ebdc8c1809fb1aa88a97d34d0eff27", "versions": {"python": "3.11.7",
"fedfer": "0.1.0", "flwr": "1.41.0", "ray": "2.55.1", "torch": "2.15.0", "torchvision": "0.29.2",
"onnxruntime": "1.32.0", "numba": "0.68.1", "numpy": "2.4.6", "pillow": "13.0.0"}}""",
    "data.json": """\
{"source": "sketch", "photos_sha256": "38618dcff1fb81e1fdd318844b997f0ebbe5c1b9bdd743f96322bf3284900a4b",
"classes": ["happiness", "neutrality"], "photos": {"train": {"happiness": 8, "neutrality": 9},
"validation": {"happiness": 3, "neutrality": 3}, "test": {"happiness": 3, "neutrality": 3}}, "views":
{"happiness": 6, "neutrality": 6}, "subjects": {"train": 6, "validation": 2, "test": 3}, "unreadable": 0,
"ledger": {"found": {"anger": 7, "contempt": 2, "disgust": 4, "fear": 5, "happiness": 14, "neutrality":
15, "sadness": 7, "surprise": 6}, "used": 29, "unreadable": 0, "set_aside": {"of other emotions": 31},
"listed": {}, "other_emotions": {"anger": 7, "contempt": 2, "disgust": 4, "fear": 5, "sadness": 7,
"surprise": 6}, "read_as": {}, "columns": {}, "folders": {}, "files": {}, "notes": [], "warnings": []},
"phones": {"phones": 3, "sizes": {"min": 4, "median": 4.0, "max": 4}, "views": 12, "label_divergence":
0.03253, "most_divergence": 0.311278, "size_gini": 0.0, "classes": {"happiness": {"phones": 3, "p10": 1.2,
"median": 2.0, "p90": 2.8}, "neutrality": {"phones": 3, "p10": 1.2, "median": 2.0, "p90": 2.8}}, "kept":
{"phones": [0, 1, 2], "views": {"happiness": [1, 2, 3], "neutrality": [3, 2, 1]}}}}""",
    "environment.json": """\
{"experiment": "quickstart", "command": "fedfer run --no-baseline", "devices": false, "federated": true,
"baseline": false, "date": "2026-11-26T17:40:42+00:00", "python": "3.11.7", "platform":
"Linux-6.1-x86_64", "machine": "x86_64", "cpus": 2, "versions": {"python": "3.11.7", "fedfer": "0.1.0",
"flwr": "1.41.0", "ray": "2.55.1", "torch": "2.15.0", "torchvision": "0.29.2", "onnxruntime": "1.32.0",
"numba": "0.68.1", "numpy": "2.4.6", "pillow": "13.0.0"}}""",
    "origin.json": """\
{"settings": {"data": {"source": "sketch", "root": "", "classes": ["happiness", "neutrality"], "names":
{}, "split": [0.6, 0.2, 0.2], "split_by": "auto", "balance": 6, "image_size": 32, "max_unreadable": 0.1},
"sketch": {"faces": 60, "subjects": 12, "seed": 0}, "model": {"name": "mobilenet", "weights": "random",
"trainable_blocks": 3, "width": 1.0}, "train": {"lr": 0.001, "batch": 16, "dropout": 0.2, "optimizer":
"adam"}, "baseline": {"epochs": 10}, "federation": {"phones": 3, "phones_per_round": 0, "min_phones": 1,
"rounds": 2, "local_epochs": 1, "partition": "iid", "alpha": 0.3, "classes_per_phone": 2,
"shards_per_phone": 2, "sigma": 1.0, "photos_per_phone": 40, "nodes": 0, "block": 32, "engine":
"process"}, "strategy": {"name": "ditto", "start": "random", "projection": 0, "lr": "auto", "local_lr":
"auto", "momentum": "auto", "beta1": "auto", "beta2": "auto", "tau": "auto", "q": "auto", "lipschitz":
"auto", "trim": "auto", "byzantine": "auto", "keep": "auto", "mu": "auto", "alpha": "auto", "margin":
"auto", "prior": "auto", "own_pull": "auto", "adapt_epochs": "auto"}, "evaluation": {"every": 2, "select":
"last"}, "checkpoint": {"every": 10}, "run": {"seed": 0, "device": "cpu"}, "report": {"examples": false}},
"versions": {"python": "3.11.7", "fedfer": "0.1.0", "flwr": "1.41.0", "ray": "2.55.1", "torch": "2.15.0",
"torchvision": "0.29.2", "onnxruntime": "1.32.0", "numba": "0.68.1", "numpy": "2.4.6", "pillow":
"13.0.0"}, "code": {"fer_models/across.py": "971689b307cf4ca6"}, "data": {"photos": 29, "photos_sha256":
"38618dcff1fb81e1fdd318844b997f0ebbe5c1b9bdd743f96322bf3284900a4b", "weights_sha256":
"58eb3b6cbf452dde1cd8f35a0f88d652340e852286128ed3bc6f4a7e5909e3b5"}}""",
    "rounds.jsonl": """\
{"round": 1, "phones": 3, "photos": 12, "train_loss": 0.866006, "val_accuracy": null, "val_macro_f1": \
null, "val_loss": null, "seconds": 0.0051831, "bytes_down": 30744, "bytes_up": 30744, "wire_bytes": \
124840, "dropped": 0, "dropped_phones": {}, "across": null, "own_heads": null}
{"round": 2, "phones": 3, "photos": 12, "train_loss": 0.619085, "val_accuracy": 1.0, "val_macro_f1": \
1.0, "val_loss": 0.601118, "seconds": 0.00756782, "bytes_down": 30744, "bytes_up": 30744, "wire_bytes": \
124840, "dropped": 0, "dropped_phones": {}, "across": {"phones": 3, "of": 3, "accuracy": {"mean": 1.0, \
"p10": 1.0, "median": 1.0, "p90": 1.0, "worst": 1.0, "worst_tenth": 1.0, "variance": 0.0, \
"variance_by_chance": 0.0}, "macro_f1": {"mean": 1.0, "p10": 1.0, "median": 1.0, "p90": 1.0, "worst": \
1.0, "worst_tenth": 1.0, "variance": 0.0}, "classes": {"happiness": {"phones": 2, "accuracy": 1.0, \
"share_of_worst_tenth": 0.666667}, "neutrality": {"phones": 1, "accuracy": 1.0, "share_of_worst_tenth": \
0.333333}}}, "own_heads": {"accuracy": 0.666667, "macro_f1": 0.666667, "loss": 0.531758, "across": \
{"phones": 3, "of": 3, "accuracy": {"mean": 0.722222, "p10": 0.533333, "median": 0.666667, "p90": \
0.933333, "worst": 0.5, "worst_tenth": 0.5, "variance": 0.0432099, "variance_by_chance": 0.135802}, \
"macro_f1": {"mean": 0.577778, "p10": 0.346667, "median": 0.4, "p90": 0.88, "worst": 0.333333, \
"worst_tenth": 0.333333, "variance": 0.0898765}, "classes": {"happiness": {"phones": 2, "accuracy": \
0.75, "share_of_worst_tenth": 1.0}, "neutrality": {"phones": 1, "accuracy": 0.666667, \
"share_of_worst_tenth": 0.0}}}}}""",
    "predictions.csv": """\
file,emotion,predicted,confidence,happiness,neutrality,subject
sketch/00002,happiness,happiness,0.531205,0.531205,0.468795,p0001
sketch/00012,happiness,happiness,0.562394,0.562394,0.437606,p0001
sketch/00018,neutrality,neutrality,0.588851,0.411149,0.588851,p0000
sketch/00038,neutrality,happiness,0.591237,0.591237,0.408763,p0011
sketch/00041,happiness,happiness,0.603083,0.603083,0.396917,p0000
sketch/00042,neutrality,happiness,0.578876,0.578876,0.421124,p0001""",
    "phones.csv": """\
phone,largest_class,photos,correct,accuracy,macro_f1,own_correct,own_accuracy,own_macro_f1,\
happiness,happiness correct,neutrality,neutrality correct
0,neutrality,3,2,0.666667,0.666667,2,0.666667,0.400000,1,1,2,1
1,happiness,2,1,0.500000,0.333333,1,0.500000,0.333333,1,1,1,0
2,happiness,1,1,1.000000,1.000000,1,1.000000,1.000000,1,1,0,0""",
    "config.toml": """\
[data]
source = "sketch"
root = ""
classes = [
    "happiness",
    "neutrality",
]
split = [
    0.6,
    0.2,
    0.2,
]
split_by = "auto"
balance = 6
image_size = 32
max_unreadable = 0.1

[data.names]

[sketch]
faces = 60
subjects = 12
seed = 0

[model]
name = "mobilenet"
weights = "random"
trainable_blocks = 3
width = 1.0

[train]
lr = 0.001
batch = 16
dropout = 0.2
optimizer = "adam"

[baseline]
epochs = 10

[federation]
phones = 3
phones_per_round = 0
min_phones = 1
rounds = 2
local_epochs = 1
partition = "iid"
alpha = 0.3
classes_per_phone = 2
shards_per_phone = 2
sigma = 1.0
photos_per_phone = 40
nodes = 0
block = 32
engine = "process"

[strategy]
name = "ditto"
start = "random"
projection = 0
lr = "auto"
local_lr = "auto"
momentum = "auto"
beta1 = "auto"
beta2 = "auto"
tau = "auto"
q = "auto"
lipschitz = "auto"
trim = "auto"
byzantine = "auto"
keep = "auto"
mu = "auto"
alpha = "auto"
margin = "auto"
prior = "auto"
own_pull = "auto"
adapt_epochs = "auto"

[evaluation]
every = 2
select = "last"

[checkpoint]
every = 10

[run]
seed = 0
device = "cpu"

[report]
examples = false""",
}
