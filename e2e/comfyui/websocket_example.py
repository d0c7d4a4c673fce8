"""The steps of ComfyUI's websocket example: connect, queue with an id of one's own, wait for the end, fetch the pictures.

Usage: websocket_example.py HOST:PORT GRAPH.json OUT-FOLDER
Prints a line of JSON: the names of the files that were written.
"""
import json
import os
import sys
import urllib.parse
import urllib.request
import uuid

try:
    import websocket  # the package websocket-client
except ImportError:
    import standard_websocket as websocket

host, graph_path, out = sys.argv[1:]
client_id = str(uuid.uuid4())
with open(graph_path, encoding="utf-8") as file:
    graph = json.load(file)

ws = websocket.WebSocket()
ws.connect(f"ws://{host}/ws?clientId={client_id}")

prompt_id = str(uuid.uuid4())
data = json.dumps({"prompt": graph, "client_id": client_id, "prompt_id": prompt_id}).encode("utf-8")
urllib.request.urlopen(urllib.request.Request(f"http://{host}/prompt", data=data)).read()

while True:
    message = ws.recv()
    if not isinstance(message, str):
        continue  # a preview
    message = json.loads(message)
    if message["type"] == "executing":
        about = message["data"]
        if about["node"] is None and about["prompt_id"] == prompt_id:
            break

with urllib.request.urlopen(f"http://{host}/history/{prompt_id}") as response:
    history = json.loads(response.read())[prompt_id]
written = []
for node_id in history["outputs"]:
    for image in history["outputs"][node_id].get("images", []):
        query = urllib.parse.urlencode({key: image[key] for key in ("filename", "subfolder", "type")})
        with urllib.request.urlopen(f"http://{host}/view?{query}") as response:
            picture = response.read()
        name = f"{node_id}-{len(written)}.png"
        with open(os.path.join(out, name), "wb") as file:
            file.write(picture)
        written.append(name)
ws.close()
print(json.dumps(written))
