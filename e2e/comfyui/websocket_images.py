"""The steps of ComfyUI's example that gets its pictures through the WebSocket: no prompt_id of one's own, pictures are
the binary frames that come while the node "save_image_websocket_node" is executing, from byte 8 on.

Usage: websocket_images.py HOST:PORT GRAPH.json OUT-FOLDER
Prints a line of JSON: the names of the files that were written.
"""
import json
import os
import sys
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
data = json.dumps({"prompt": graph, "client_id": client_id}).encode("utf-8")
with urllib.request.urlopen(urllib.request.Request(f"http://{host}/prompt", data=data)) as response:
    prompt_id = json.loads(response.read())["prompt_id"]

current, pictures = "", []
while True:
    message = ws.recv()
    if isinstance(message, str):
        message = json.loads(message)
        if message["type"] == "executing":
            about = message["data"]
            if about["prompt_id"] == prompt_id:
                if about["node"] is None:
                    break
                current = about["node"]
    elif current == "save_image_websocket_node":
        pictures.append(message[8:])

names = []
for place, picture in enumerate(pictures):
    names.append(f"{place}.png")
    with open(os.path.join(out, names[-1]), "wb") as file:
        file.write(picture)
ws.close()
print(json.dumps(names))
