"""The embedded broker: kombu's file-system transport, with folders made at first use and messages that appear whole.

kombu creates a message under its final name and then writes it, so a worker that polls at that moment reads an
empty file and stops. This transport writes the message under another name and renames it into the queue.
"""

import os
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for folder in (self.data_folder_in, self.data_folder_out, self.control_folder):
            Path(folder).mkdir(parents=True, exist_ok=True)

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        # The wall clock, not the monotonic one: messages of an earlier boot must stay in order.
        name = f"{time.time_ns()}_{uuid.uuid4()}"
        unfinished = folder / f"{name}.part"
        unfinished.write_text(dumps(payload))
        os.replace(unfinished, folder / f"{name}.{queue}.msg")


class Transport(filesystem.Transport):
    Channel = Channel
