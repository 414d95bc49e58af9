"""The Docker engine of this machine, through the docker SDK."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aresmon.engine import containers as engine_containers
from aresmon.engine.containers import Container, parse_container
from aresmon.system import process
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    import docker


_PULL_TIMEOUT = 900.0
_RUN_TIMEOUT = 60
_STOP_TIMEOUT = 60  # as long as InfluxDB may take, by compose.yml


class NotPulledError(AresmonError):
    """Why an image could not be pulled."""


class Engine:
    """The engine of this machine, or one that `socket` leads to. Nothing is asked before a method is called."""

    far: Path | None = None

    @classmethod
    def behind(cls, socket: Path) -> Engine:
        """An engine elsewhere, through a socket here."""
        engine = cls()
        engine.far = socket
        return engine

    @cached_property
    def client(self) -> docker.DockerClient:
        """The SDK's client. Raises AresmonError with what to do where no engine answers."""
        import docker
        import docker.errors
        import requests.exceptions

        if not self._address.startswith("unix://"):
            raise AresmonError(
                f"the Docker engine is at {self._address}; aresmon runs on the server itself, where its folders are",
                hint="unset DOCKER_HOST and DOCKER_CONTEXT (or `docker context use default`) on the server itself",
            )
        try:
            client = docker.DockerClient(base_url=self._address, timeout=120)
            client.version()
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise _no_engine(self.socket, error) from None
        return client

    @property
    def socket(self) -> Path:
        """The engine's socket on this machine."""
        return Path(self._address.removeprefix("unix://"))

    @cached_property
    def _address(self) -> str:
        """Where the docker command line would find it too: DOCKER_HOST, else the context in use."""
        from docker import ContextAPI

        if self.far is not None:
            return f"unix://{self.far}"
        named = os.environ.get("DOCKER_HOST")
        if named:
            return named
        context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT"))
        return str(context.Host) if context is not None else "no such Docker context"

    @property
    def socket_group(self) -> int:
        """The group that may use the socket; 0 where there is none."""
        try:
            return self.socket.stat().st_gid
        except OSError:
            return 0

    def containers(self, project: str) -> dict[str, Container]:
        """The containers of a Compose project by service; of several, the newest."""
        import docker.errors

        with engine_errors():
            found = self.client.api.containers(all=True, filters={"label": f"com.docker.compose.project={project}"})
            wanted = [one for one in found if one["Labels"].get("com.docker.compose.oneoff") != "True"]
            inspected = []
            for one in wanted:
                try:
                    inspected.append(self.client.api.inspect_container(one["Id"]))
                except docker.errors.NotFound:
                    continue  # gone in between
        told_of = sorted((parse_container(details) for details in inspected), key=lambda one: one.created)
        return {container.service: container for container in told_of}

    def memory(self, container: Container) -> int:
        """Bytes in use by a container, without the file cache that can be dropped."""
        seen = 0 if not container.pid else None if self.far else engine_containers.memory_usage(container.pid)
        if seen is not None:
            return seen
        with engine_errors():
            stats = self.client.api.stats(container.id, stream=False, one_shot=True)["memory_stats"]
        details = stats.get("stats", {})
        inactive = details.get("total_inactive_file", details.get("inactive_file", 0))
        return max(0, int(stats.get("usage", 0)) - int(inactive))

    def is_running(self, project: str, service: str) -> bool:
        """Whether the container of a service runs."""
        container = self.containers(project).get(service)
        return container is not None and container.state == "running"

    def is_alive(self, container: str) -> bool:
        """Whether this one container runs."""
        import docker.errors

        with engine_errors():
            try:
                return bool(self.client.api.inspect_container(container)["State"]["Running"])
            except docker.errors.NotFound:
                return False

    def unpause(self, container: Container) -> None:
        """Let a paused container run on; Compose takes it for a running one."""
        with engine_errors():
            self.client.api.unpause(container.id)

    def stop(self, container: Container) -> None:
        """Stop a container in any state, and keep the engine from restarting it; as long as it takes
        to end well. Raises AresmonError if it does not."""
        with engine_errors():
            if container.state == "paused":
                self.client.api.unpause(container.id)
            # One that dies again and again is between two starts, where it does not run and soon will.
            self.client.api.stop(container.id, timeout=_STOP_TIMEOUT)
        if self.is_alive(container.id):
            hint = f"`aresmon logs {container.service}` may show why"
            raise AresmonError(f"{container.service} does not stop", hint=hint)

    def remove_container(self, container: str) -> None:
        """Stop a container, give it time to end well, and remove it."""
        import docker.errors

        with engine_errors(), suppress(docker.errors.NotFound):
            self.client.api.stop(container, timeout=_STOP_TIMEOUT)
            try:
                self.client.api.remove_container(container, force=True)
            except docker.errors.APIError as error:
                # An `up` that was interrupted may have asked for it already.
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                self.client.api.wait(container, timeout=60, condition="removed")

    def remove_service(self, project: str, service: str) -> None:
        """Remove the containers of one service."""
        self._remove(f"com.docker.compose.project={project}", f"com.docker.compose.service={service}")

    def remove_project(self, project: str) -> None:
        """Remove the containers and networks of a Compose project; the agents first, the database last."""
        import docker.errors

        label = f"com.docker.compose.project={project}"
        for service in reversed(self.containers(project)):
            self.remove_service(project, service)
        self._remove(label)
        with engine_errors():
            for network in self.client.networks.list(filters={"label": label}):
                with suppress(docker.errors.NotFound):
                    engine_containers.remove_network(network)

    def remove_leftovers(self, project: str) -> None:
        """Remove what an interrupted run left of its one-off containers."""
        self._remove(f"com.docker.compose.project={project}", "com.docker.compose.oneoff=True")

    def _remove(self, *labels: str) -> None:
        with engine_errors():
            found = self.client.api.containers(all=True, filters={"label": list(labels)})
        for one in found:
            self.remove_container(one["Id"])

    def image_id(self, reference: str) -> str:
        """The id of a local image; empty where it is not here."""
        import docker.errors

        with engine_errors():
            try:
                return str(self.client.images.get(reference).id)
            except docker.errors.ImageNotFound:
                return ""

    def tag(self, image_id: str, reference: str) -> None:
        """Give an image that is here one more name."""
        with engine_errors():
            self.client.images.get(image_id).tag(reference)

    def pull(self, reference: str, progress: Callable[[str], None] = lambda _: None) -> None:
        """Pull an image. Raises NotPulledError where the registry does not answer or does not have it."""
        outcome: list[BaseException | None] = []
        pulling = threading.Thread(target=_pull, args=(self.client, reference, progress, outcome), daemon=True)
        pulling.start()
        pulling.join(_PULL_TIMEOUT)
        if not outcome:
            raise NotPulledError(f"it was not complete after {_PULL_TIMEOUT:.0f} s")
        if outcome[0] is not None:
            raise NotPulledError(_cause(outcome[0]))

    def build(self, reference: str, context: IO[bytes]) -> None:
        """Build an image from a tar with its Dockerfile."""
        import docker.errors

        with engine_errors():
            try:
                self.client.images.build(fileobj=context, custom_context=True, tag=reference, rm=True, forcerm=True)
            except docker.errors.BuildError as error:
                log = "".join(str(line.get("stream", "")) for line in error.build_log)[-1500:]
                raise AresmonError(f"{reference} could not be built: {error.msg}\n{log}") from None

    def import_tree(self, reference: str, tree: Path) -> None:
        """Make an image of a root file system in a tar file."""
        with engine_errors():
            self.client.api.import_image_from_file(
                str(tree), repository=reference.partition(":")[0], tag=reference.partition(":")[2]
            )

    def logs(self, project: str, service: str, *, tail: int, follow: bool) -> Iterator[str]:
        """The last lines of a service. Raises AresmonError where it has no container."""
        container = self.containers(project).get(service)
        if container is None:
            raise AresmonError(f"{service} has no container, so there are no logs", hint="`aresmon status` shows why")
        with engine_errors():
            found = self.client.api.logs(container.id, stream=True, follow=follow, tail=tail, timestamps=True)
            for piece in found:
                yield piece.decode(errors="replace")

    def run_once(
        self, image: str, command: Sequence[str], *, project: str, files: bytes, environment: Sequence[str]
    ) -> tuple[int, str]:
        """Run a command in a new container without a network, with the files of a tar in it, and remove it.

        It is labelled as a one-off of the project, so that the next run removes what a killed one left.
        Returns its exit code and what it printed.
        """
        return self._run(image, command, project, files, environment, network_mode="none")

    def run_beside(
        self, image: str, command: Sequence[str], *, project: str, files: bytes, environment: Sequence[str], root: str
    ) -> tuple[int, str]:
        """The same with the network of the machine, whose files are below `root`, read-only."""
        return self._run(image, command, project, files, environment, network_mode="host", binds=[f"/:{root}:ro"])

    def _run(
        self, image: str, command: Sequence[str], project: str, files: bytes, env: Sequence[str], **access: Any
    ) -> tuple[int, str]:
        labels = {"com.docker.compose.project": project, "com.docker.compose.oneoff": "True"}
        with engine_errors():
            api = self.client.api
            made = api.create_container(
                image,
                entrypoint="",
                command=list(command),
                environment=list(env),
                host_config=api.create_host_config(cap_drop=["ALL"], **access),
                labels=labels,
                use_config_proxy=False,
            )["Id"]
            try:
                api.put_archive(made, "/", files)
                api.start(made)
                code = int(api.wait(made, timeout=_RUN_TIMEOUT)["StatusCode"])
                return code, api.logs(made).decode(errors="replace")
            finally:
                api.remove_container(made, force=True)

    def execute(
        self, container: str, command: Sequence[str], *, given: str, within: float = _RUN_TIMEOUT
    ) -> process.Completed:
        """Run a command in a running container; `given` is what it reads, and the place for a secret.

        Raises AresmonError where it takes longer than `within` seconds.
        """
        argv = ["docker", "exec", "--interactive", container, *command]
        return process.run(argv, given=given, timeout=within, check=False)

    def start_in(self, container: str, command: Sequence[str]) -> None:
        """Start a command in a running container, and do not wait for it."""
        with engine_errors():
            api = self.client.api
            api.exec_start(api.exec_create(container, list(command))["Id"], detach=True)

    def archive(self, reference: str) -> bytes:
        """An image as `docker load` takes it."""
        with engine_errors():
            return b"".join(self.client.images.get(reference).save(named=True))

    def architecture(self, reference: str) -> str:
        """The architecture of an image that is here, as amd64."""
        with engine_errors():
            return str(self.client.images.get(reference).attrs["Architecture"])

    def file_of(self, reference: str, path: str) -> bytes:
        """A file of an image that is here, which is not run for it."""
        with engine_errors():
            api = self.client.api
            made = api.create_container(reference, entrypoint="", command=["true"], use_config_proxy=False)["Id"]
            try:
                stream, _ = api.get_archive(made, path)
                packed = io.BytesIO(b"".join(stream))
            finally:
                api.remove_container(made, force=True)
        with tarfile.open(fileobj=packed) as tar:
            member = tar.extractfile(Path(path).name)
            if member is None:
                raise AresmonError(f"{reference} has no file {path}")
            return member.read()

    def save(self, references: Sequence[str], archive: Path) -> None:
        """Write the images into one tar file."""
        process.run(["docker", "save", "--output", archive, *references], timeout=_PULL_TIMEOUT)

    def load(self, archive: IO[bytes]) -> list[str]:
        """Take in the images of a tar made by `save`; their references."""
        with engine_errors():
            return sorted({tag for image in self.client.images.load(archive) for tag in image.tags})


def preload_sdk() -> None:
    """Import the Docker SDK now: threads that import it at the same time may find it half initialised."""
    import docker.errors  # noqa: F401


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn the SDK's exceptions into errors that a person can act on."""
    import docker.errors
    import requests.exceptions

    try:
        yield
    except docker.errors.APIError as error:
        raise AresmonError(f"the Docker engine reports an error: {error.explanation or error}") from None
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise AresmonError(
            f"the Docker engine stopped responding: {_one_line(error)}",
            hint="check whether it is running (`systemctl status docker`), then run the same command again",
            code=ExitCode.BROKEN,
        ) from None


def _pull(
    client: docker.DockerClient, reference: str, progress: Callable[[str], None], outcome: list[BaseException | None]
) -> None:
    import docker.errors

    try:
        name, _, tag = reference.rpartition(":") if ":" in reference.rpartition("/")[2] else (reference, "", "latest")
        for line in client.api.pull(name, tag=tag, stream=True, decode=True):
            if "error" in line:
                raise docker.errors.DockerException(line["error"])
            progress(str(line.get("status", "")))
        outcome.append(None)
    except Exception as error:  # handed to the waiting thread
        outcome.append(error)


def _no_engine(socket: Path, error: Exception) -> AresmonError:
    if isinstance(error.__context__, PermissionError) or "Permission denied" in str(error):
        return AresmonError(
            f"no permission to use the Docker engine ({socket})",
            hint="use sudo, or join the group docker (`sudo usermod -aG docker $USER`) and log in again",
        )
    if shutil.which("docker") is None and not socket.exists():
        return AresmonError(
            "Docker is not installed", hint="`make up` installs it on Debian and Ubuntu (package docker.io)"
        )
    return AresmonError(
        f"the Docker engine does not answer on {socket}",
        hint="start it: `sudo systemctl start docker` (where there is no systemd: `sudo dockerd`)",
    )


def _cause(error: BaseException) -> str:
    """The innermost of the engine's nested messages: `lookup … no such host`."""
    explained = getattr(error, "explanation", None) or str(error)
    return _one_line(Exception(explained.rpartition("dial tcp: ")[2])) or _one_line(error)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
