"""Launching through the official client, against an API that answers as the files in `kubernetes_answers/` say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import kubernetes_validate
import pytest
from kubernetes_api import KubernetesApi, serving

from floe_chassis.settings import load_settings
from floe_contracts.errors import FloeError, Permanent, Transient
from floe_contracts.runs import RunRecord
from floe_executor.adapters.launchers import kubernetes
from floe_executor.adapters.launchers.job import job_name
from floe_executor.adapters.launchers.kubernetes import KubernetesLauncher
from floe_executor.adapters.launchers.settings import KubernetesSettings
from floe_executor.core.ports import Launch, LaunchState
from floe_executor.errors import LauncherMisconfigured, LauncherUnavailable, LaunchForbidden, LaunchRefused

MADE = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


@pytest.fixture
def queued(run_record: RunRecord) -> RunRecord:
    """A run before its first attempt."""
    return run_record.model_copy(update={"attempt": 0})


@pytest.fixture
def api(queued: RunRecord) -> Iterator[KubernetesApi]:
    name = job_name(queued, 1).removeprefix("floe-run-").removesuffix("-1")
    with serving({"NAME": name, '"RUN"': f'"{queued.run_id}"'}) as served:
        yield served


@pytest.fixture
def make_launcher(tmp_path: Path) -> Callable[[Path | None], KubernetesLauncher]:
    async def half_an_hour(_: RunRecord) -> int:
        return 1800

    def make(kubeconfig: Path | None) -> KubernetesLauncher:
        variables = {"FLOE_EXECUTOR_KUBERNETES_IMAGE": "floe-executor:1"}
        if kubeconfig is not None:
            variables["FLOE_EXECUTOR_KUBERNETES_KUBECONFIG"] = str(kubeconfig)
        return KubernetesLauncher(load_settings(KubernetesSettings, variables), half_an_hour)

    return make


@pytest.fixture
async def launcher(
    api: KubernetesApi, make_launcher: Callable[[Path | None], KubernetesLauncher], tmp_path: Path
) -> KubernetesLauncher:
    return make_launcher(api.kubeconfig(tmp_path))


async def test_a_launched_run_is_one_job(launcher: KubernetesLauncher, api: KubernetesApi, queued: RunRecord) -> None:
    api.answer("create_201")
    await launcher.launch(queued)
    api.answer("create_409")
    await launcher.launch(queued)
    first, second = api.asked
    assert (first.method, first.path) == ("POST", "/apis/batch/v1/namespaces/floe/jobs")
    assert first.body == second.body
    kubernetes_validate.validate(first.body, "1.33", strict=True)
    assert first.body["metadata"]["name"] == job_name(queued, 1)
    assert first.body["spec"]["activeDeadlineSeconds"] == 2400


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ("create_401", LauncherUnavailable, "401: Unauthorized"),
        ("create_403_role", LaunchForbidden, 'cannot create resource "jobs"'),
        ("create_403_quota", LauncherUnavailable, "exceeded quota: runs"),
        ("create_404", LaunchRefused, 'namespaces "floe" not found'),
        ("create_422", LaunchRefused, "image: Required value"),
        ("create_429", LauncherUnavailable, "429: Too many requests"),
        ("create_500", LauncherUnavailable, "context deadline exceeded"),
        ("create_502", LauncherUnavailable, "502: Bad Gateway"),
    ],
)
async def test_a_refusal_says_why_and_whether_it_may_pass(
    launcher: KubernetesLauncher,
    api: KubernetesApi,
    queued: RunRecord,
    answer: str,
    error: type[FloeError],
    words: str,
) -> None:
    api.answer(answer)
    with pytest.raises(error, match=words) as raised:
        await launcher.launch(queued)
    assert isinstance(raised.value, Transient) != isinstance(raised.value, Permanent)
    assert "canary-token" not in str(raised.value)
    assert len(api.asked) == 1, "the dispatcher tries again, not the client"


async def test_a_cluster_that_is_away_is_tried_again_later(
    make_launcher: Callable[[Path | None], KubernetesLauncher], queued: RunRecord, tmp_path: Path
) -> None:
    with serving({}) as gone:
        kubeconfig = gone.kubeconfig(tmp_path)
    launcher = make_launcher(kubeconfig)
    with pytest.raises(LauncherUnavailable, match="does not answer"):
        await launcher.launch(queued)
    with pytest.raises(LauncherUnavailable, match="does not answer"):
        await launcher.end(queued)


async def test_outside_of_a_cluster_the_setting_is_named(
    make_launcher: Callable[[Path | None], KubernetesLauncher], queued: RunRecord, tmp_path: Path
) -> None:
    with pytest.raises(LauncherMisconfigured, match="where the cluster is") as raised:
        await make_launcher(None).launch(queued)
    assert "FLOE_EXECUTOR_KUBERNETES_KUBECONFIG" in (raised.value.hint or "")
    with pytest.raises(LauncherMisconfigured, match="Invalid kube-config file"):
        await make_launcher(tmp_path / "nowhere").state(queued)


@pytest.mark.parametrize(
    ("answers", "seconds", "launch"),
    [
        (("job_404",), 0, Launch(LaunchState.ABSENT)),
        (("job_active", "pods_running"), 900, Launch(LaunchState.ACTIVE)),
        (("job_active", "pods_creating"), 1, Launch(LaunchState.ACTIVE, "its container is being made")),
        (("job_active", "pods_none"), 1, Launch(LaunchState.ACTIVE, "no pod was made for it")),
        (("job_active", "pods_none"), 301, Launch(LaunchState.ENDED, "it did not begin: no pod was made for it")),
        (
            ("job_active", "pods_image_pull"),
            301,
            Launch(
                LaunchState.ENDED,
                'it did not begin: ImagePullBackOff: Back-off pulling image "floe-executor:1": '
                "ErrImagePull: manifest unknown",
            ),
        ),
        (
            ("job_active", "pods_unschedulable"),
            301,
            Launch(
                LaunchState.ENDED, "it did not begin: Unschedulable: 0/3 nodes are available: 3 Insufficient memory."
            ),
        ),
        (("job_complete", "pods_none"), 900, Launch(LaunchState.ENDED)),
        (
            ("job_failed", "pods_oom"),
            900,
            Launch(LaunchState.ENDED, "its container was killed for want of memory (OOMKilled)"),
        ),
        (("job_failed", "pods_exit"), 900, Launch(LaunchState.ENDED, "its container ended with the code 1")),
        (
            ("job_overdue", "pods_none"),
            900,
            Launch(LaunchState.ENDED, "DeadlineExceeded: Job was active longer than specified deadline"),
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
async def test_what_became_of_a_launched_run(
    launcher: KubernetesLauncher,
    api: KubernetesApi,
    queued: RunRecord,
    monkeypatch: pytest.MonkeyPatch,
    answers: tuple[str, ...],
    seconds: int,
    launch: Launch,
) -> None:
    monkeypatch.setattr(kubernetes, "now", lambda: MADE.replace(minute=seconds // 60, second=seconds % 60))
    api.answer(*answers)
    assert await launcher.state(queued) == launch
    selectors = [asked.query["labelSelector"] for asked in api.asked if asked.path.endswith("/pods")]
    assert selectors in ([], [f"floe.dev/run={queued.run_id},floe.dev/attempt=1"])


async def test_an_image_that_can_never_be_is_told_at_once(
    launcher: KubernetesLauncher, api: KubernetesApi, queued: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "now", lambda: MADE)
    api.answer("job_active", "pods_image_name")
    told = await launcher.state(queued)
    assert told.state is LaunchState.ENDED
    assert "InvalidImageName" in (told.reason or "")


@pytest.mark.parametrize("second", ["delete_2_200", "delete_2_404"])
async def test_ending_a_run_removes_the_jobs_of_all_its_attempts(
    launcher: KubernetesLauncher, api: KubernetesApi, queued: RunRecord, second: str
) -> None:
    api.answer("jobs_two", "delete_1_200", second)
    await launcher.end(queued)
    listed, *deleted = api.asked
    assert listed.query["labelSelector"] == f"floe.dev/run={queued.run_id}"
    assert [asked.path.rpartition("/")[2] for asked in deleted] == [job_name(queued, 1), job_name(queued, 2)]
    assert {asked.method for asked in deleted} == {"DELETE"}
    assert {asked.query.get("propagationPolicy") for asked in deleted} == {"Background"}
    await launcher.close()


async def test_ending_a_run_that_has_no_job_is_fine(
    launcher: KubernetesLauncher, api: KubernetesApi, queued: RunRecord
) -> None:
    api.answer("jobs_none")
    await launcher.end(queued)
    assert len(api.asked) == 1
