"""What the source article's script does: upload a photo as input.jpg, queue the preset; both must answer 200.

Usage: article.py HOST:PORT PRESET.json PHOTO
"""
import json
import sys
import urllib.request

host, preset_path, photo_path = sys.argv[1:]

with open(preset_path, encoding="utf-8") as file:
    preset = json.load(file)
with open(photo_path, "rb") as file:
    photo = file.read()
body = {"prompt": preset, "extra_data": {}}

try:
    import requests
except ImportError:
    requests = None

if requests:
    uploaded = requests.post(f"http://{host}/upload/image", files={"image": ("input.jpg", photo)})
    queued = requests.post(f"http://{host}/prompt", json=body)
    statuses = [uploaded.status_code, queued.status_code]
    answers = [uploaded.json(), queued.json()]
else:
    boundary = "----------------autochrome"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="input.jpg"\r\n\r\n'
    form = head.encode() + photo + f"\r\n--{boundary}--\r\n".encode()
    responses = [
        urllib.request.urlopen(
            urllib.request.Request(
                f"http://{host}/upload/image",
                data=form,
                headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            )
        ),
        urllib.request.urlopen(
            urllib.request.Request(
                f"http://{host}/prompt",
                data=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
        ),
    ]
    statuses = [response.status for response in responses]
    answers = [json.load(response) for response in responses]

print(json.dumps({"statuses": statuses, "answers": answers}))
