"""The steps of ComfyUI's basic example: a graph, posted with urllib as it comes (as a form), the answer ignored.

Usage: basic_example.py HOST:PORT GRAPH.json
"""
import json
import sys
from urllib import request

host, graph_path = sys.argv[1:]
with open(graph_path, encoding="utf-8") as file:
    graph = json.load(file)
data = json.dumps({"prompt": graph}).encode("utf-8")
request.urlopen(request.Request(f"http://{host}/prompt", data=data))
