"""What the pure table of a pool has for a connection, by `tentetsu explain` over a file: without the running node."""

import asyncio
import json

from appliance import VIPS
from connections import PORT


def write(appliance, definitions):
    """The appliance's configuration file with these definitions in it."""
    text = (appliance.folder / "tentetsu.toml").read_text()
    for name, pool in definitions["pools"].items():
        backends = [
            f'  {{ name = "{backend}", address = "{of["address"]}", weight = {of["weight"]} }},'
            for backend, of in pool["backends"].items()
        ]
        lines = ["", "[[pool]]", f'name = "{name}"', f'encap = "{pool["encap"]}"', "backends = [", *backends, "]", ""]
        text += "\n".join(lines)
    for name, service in definitions["services"].items():
        text += "\n[[service]]\n" + f'name = "{name}"\n' + "".join(
            f"{key} = {json.dumps(value)}\n" for key, value in service.items()
        )
    file = appliance.folder / "pure.toml"
    file.write_text(text)
    return file


async def owner(appliance, config, connection):
    """The backend of a connection."""
    host, port = connection.address
    client, vip = (f"[{host}]", f"[{VIPS[6]}]") if ":" in host else (host, VIPS[4])
    command = [appliance.binary, "explain", "--config", config, "--format", "json"]
    command += ["tcp", f"{client}:{port}", f"{vip}:{PORT}"]
    explain = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.PIPE)
    output, _ = await explain.communicate()
    return json.loads(output)["backend"]["name"]
