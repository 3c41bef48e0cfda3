from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from depth_perception.cli import main
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.parameter_docs import yaml_text

sys.path.append(str(Path(__file__).resolve().parent / "support"))

from tiny_estimator import write_tiny_estimator


@pytest.fixture(scope="module")
def recording(tmp_path_factory, repository):
    """A small recording with ground truth, written by the fixtures of the evaluation tests."""
    pytest.importorskip("rosbags")
    import importlib.util

    spec = importlib.util.spec_from_file_location("recordings_for_cli", repository / "test/evaluation/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_recording(tmp_path_factory.mktemp("cli") / "box", frames=3)


def need_rerun():
    """Skip where rerun-sdk is missing or does not fit the other packages (it needs NumPy 2)."""
    try:
        import rerun  # noqa: F401
    except ImportError as error:
        pytest.skip(f"rerun-sdk: {error}")


def run(capsys, *arguments):
    """Return (status, standard output, standard error)."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def assert_one_line(status, error, *words):
    assert status == 2
    assert len(error.strip().splitlines()) == 1
    assert error.startswith("depth_perception ")
    for word in words:
        assert word in error


def test_help_needs_nothing_heavy():
    code = (
        "import sys\n"
        "from depth_perception.cli import build_parser\n"
        "build_parser().format_help()\n"
        "heavy = {'numpy', 'cv2', 'torch', 'rclpy', 'scipy', 'matplotlib', 'rosbags', 'rerun', 'yaml'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_scoring_needs_neither_ros_nor_torch():
    code = (
        "import sys\n"
        "sys.modules['rclpy'] = sys.modules['torch'] = None\n"
        "import depth_perception.evaluation.evaluator, depth_perception.evaluation.report\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["evaluate", "--help"], ["launch", "--help"], ["--version"]])
def test_help_and_version_end_well(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert capsys.readouterr().out


def test_unknown_command_is_a_mistake(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["improve"])
    assert ended.value.code == 2


def test_module_can_be_run():
    done = subprocess.run(
        [sys.executable, "-m", "depth_perception", "--version"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("depth_perception ")


def test_evaluate_writes_a_report_and_prints_scores(recording, tmp_path, capsys):
    out = tmp_path / "out"
    status, output, _ = run(
        capsys, "evaluate", recording, "--out", out, "--models", "fast,peer:nearest", "--holdout", "points:0.3",
        "--seed", 5, "--set", "depth.max:=20", "--frames", 2,
    )  # fmt: skip
    assert status == 0
    assert str(out / "report.html") in output
    assert "MAE [m]" in output
    scores = json.loads((out / "scores.json").read_text())
    assert list(scores["models"]) == ["fast", "peer:nearest"]
    assert scores["frames"] == 2
    assert scores["parameters"]["depth.max"] == 20.0
    assert scores["protocol"]["holdout"] == "points:0.3"
    assert scores["protocol"]["seed"] == 5


def test_estimate_writes_pictures_scale_and_a_report(recording, tmp_path, capsys):
    file, out = write_tiny_estimator(tmp_path / "mine.safetensors"), tmp_path / "out"
    status, printed, _ = run(
        capsys, "estimate", recording, "--out", out, "--model", f"estimation-small@{file}", "--backend", "torch",
        "--set", "streaming.enabled:=true", "--frames", "2",
    )  # fmt: skip
    assert status == 0
    assert "frames in metres, told last by points" in printed
    assert str(out / "report.html") in printed
    assert len(list((out / "preview").iterdir())) == 2
    assert (out / "scale.csv").read_text().count("\n") == 3
    status, _, _ = run(
        capsys, "estimate", recording, "--out", tmp_path / "bare", "--model", "estimation-small", "--model-file", file,
        "--no-pictures", "--holdout", "points:0.5", "--frames", "2", "--set", "sync.timeout:=0.2",
    )  # fmt: skip
    assert status == 0
    assert not (tmp_path / "bare" / "preview").exists()
    assert "held-out points" in (tmp_path / "bare" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "diffusion"], ["'diffusion' is not one of estimation-small"]),
        (["--model", "estimation-small@/nowhere/w.safetensors"], ["/nowhere/w.safetensors"]),
        (["--set", "fallback.model:=none"], ["fallback.model"]),
    ],
)
def test_mistakes_of_estimate_take_one_line(recording, tmp_path, capsys, arguments, words):
    status, _, error = run(capsys, "estimate", recording, "--out", tmp_path / "o", *arguments)
    assert_one_line(status, error, "estimate", *words)


def test_evaluate_reads_a_node_parameter_file(recording, tmp_path, capsys):
    file = tmp_path / "p.yaml"
    file.write_text("/**:\n  ros__parameters:\n    model: fast\n    depth: {max: 30.0}\n    use_sim_time: true\n")
    status, _, _ = run(
        capsys,
        "evaluate",
        recording,
        "--params",
        file,
        "--set",
        "depth.min:=0.5",
        "--out",
        tmp_path / "o",
        "--frames",
        1,
    )
    assert status == 0
    scores = json.loads((tmp_path / "o" / "scores.json").read_text())
    assert list(scores["models"]) == ["fast"]
    assert (scores["parameters"]["depth.min"], scores["parameters"]["depth.max"]) == (0.5, 30.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--image", "/nothing"], ["--image /nothing", "/camera/image"]),
        (["--models", "best"], ["unknown model 'best'", "fast"]),
        (["--holdout", "half"], ["half", "points:0.2"]),
        (["--set", "depth.max"], ["NAME:=VALUE"]),
        (["--set", "depth.far:=3"], ["depth.far", "no such parameter"]),
        (["--set", "depth.max:=far"], ["depth.max", "far"]),
        (["--set", "depth.max:=["], ["--set depth.max:=["]),
        (["--params", __file__], ["test_cli.py", "not a YAML file"]),
        (["--params", "missing.yaml"], ["missing.yaml", "No such file"]),
        (["--truth", "/lidar/points"], ["--truth /lidar/points", "PointCloud2"]),
        (["--every", "0"], ["--every 0", "at least 1"]),
        (["--frames", "-1"], ["--frames -1"]),
        (["--image", "/camera/depth/ground_truth"], ["--image /camera/depth/ground_truth", "32FC1"]),
    ],
)
def test_mistakes_end_in_one_line(recording, tmp_path, capsys, arguments, words):
    status, _, error = run(capsys, "evaluate", recording, "--out", tmp_path / "o", *arguments)
    assert_one_line(status, error, "evaluate", *words)
    assert not (tmp_path / "o").exists()


def test_missing_recording_is_named(tmp_path, capsys):
    for command in ("evaluate", "info", "view"):
        status, _, error = run(capsys, command, tmp_path / "gone.mcap")
        assert_one_line(status, error, command, "gone.mcap")


def test_errors_of_the_program_itself_are_not_hidden(monkeypatch, recording):
    def broken(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("depth_perception.evaluation.evaluator.evaluate", broken)
    with pytest.raises(ZeroDivisionError):
        main(["evaluate", str(recording)])


def test_ctrl_c_is_quiet(monkeypatch, recording, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("depth_perception.evaluation.evaluator.evaluate", interrupted)
    status, _, error = run(capsys, "evaluate", recording)
    assert status == 130
    assert error.strip().splitlines() == ["depth_perception evaluate: interrupted"]


def test_info_lists_topics(recording, capsys):
    status, output, _ = run(capsys, "info", recording)
    assert status == 0
    row = next(line for line in output.splitlines() if line.startswith("/lidar/points"))
    assert "sensor_msgs/msg/PointCloud2" in row
    assert " 3 " in row
    assert "reliable" in row
    static = next(line for line in output.splitlines() if line.startswith("/tf_static"))
    assert "transient_local" in static


def test_models_are_listed(capsys):
    status, output, _ = run(capsys, "models")
    assert status == 0
    names = [line.split()[0] for line in output.splitlines() if line]
    assert {"fast", "diffusion", "peer:nearest"} <= set(names)


def test_parameters_print_the_shipped_file(capsys, repository):
    status, output, _ = run(capsys, "parameters", "completion")
    assert status == 0
    assert output == yaml_text(COMPLETION_PARAMETERS, "completion_node")
    assert output == (repository / "config" / "completion.yaml").read_text()
    assert run(capsys, "parameters", "--markdown")[1].startswith("| parameter |")


def test_view_saves_a_file(recording, tmp_path, capsys):
    need_rerun()
    file = tmp_path / "run.rrd"
    status, output, _ = run(capsys, "view", recording, "--save", file, "--set", "model:=fast", "--frames", 1)
    assert status == 0
    assert file.stat().st_size > 0
    assert str(file) in output


def test_unknown_launch_is_one_line(capsys):
    pytest.importorskip("depth_perception.ros.launching")
    assert main(["launch", "nonsense"]) == 2
    assert "completion" in capsys.readouterr().err


def test_demo_without_recordings_is_one_line(tmp_path, capsys):
    assert_one_line(*[run(capsys, "demo", tmp_path)[i] for i in (0, 2)], "no recordings")
    assert_one_line(*[run(capsys, "demo", tmp_path / "x")[i] for i in (0, 2)], "no such folder")


@pytest.fixture
def weight_file(tmp_path, monkeypatch):
    """Small untrained weights of the family of completion-small."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from depth_perception.models import families, networks, weights

    torch.manual_seed(0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = families.configuration("refiner", {"widths": [8, 8, 8, 8, 8]})
    state = networks.build("refiner", config).state_dict()
    tensors = {name: tensor.numpy() for name, tensor in state.items() if tensor.is_floating_point()}
    file = tmp_path / "own.safetensors"
    weights.write(weights.Weights("refiner", "completion-small", "9", config, tensors), file)
    return file


def test_export_writes_onnx(weight_file, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    out = tmp_path / "some" / "network.onnx"
    status, output, _ = run(capsys, "export", "completion-small", out, "--model-file", weight_file)
    assert (status, output) == (0, f"{out}\n")
    model = onnx.load(out)
    assert {item.key: item.value for item in model.metadata_props}["version"] == "9"


def test_export_makes_the_graph_that_the_backend_looks_for(weight_file, tmp_path, capsys):
    from depth_perception.models import onnx_graphs, weights

    status, output, _ = run(capsys, "export", "completion-small", "--graph-only", "--model-file", weight_file)
    assert status == 0
    assert output.strip() == str(onnx_graphs.find(weights.read(weight_file)))
    assert output.startswith(str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fast"], ["fast has no weights"]),
        (["depthnet"], ["unknown completer 'depthnet'", "fast"]),
        (["clude", "--model-file", "gone.safetensors"], ["gone.safetensors: no such weight file"]),
        (["clude", "--model-file", __file__], ["test_cli.py: not a whole safetensors file"]),
    ],
)
def test_what_cannot_be_exported_is_one_line(arguments, words, capsys):
    pytest.importorskip("safetensors")
    status, _, error = run(capsys, "export", *arguments)
    assert_one_line(status, error, "export", *words)
