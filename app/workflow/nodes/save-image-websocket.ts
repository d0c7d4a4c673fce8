import { readFile, unlink } from "node:fs/promises";
import { engineNode, image } from "../node.ts";

export const saveImageWebsocket = engineNode({
  class: "SaveImageWebsocket",
  title: { en: "Save Image (WebSocket)", zh: "发送图像（WebSocket）" },
  description: {
    en: "Sends pictures to the client at full size, as PNG; nothing is written.",
    zh: "以 PNG 原尺寸把图片发送给客户端，不写入文件。",
  },
  category: "api/image",
  inputs: {
    images: image({
      label: { en: "images", zh: "图像" },
      tooltip: { en: "The pictures to send.", zh: "要发送的图片。" },
    }),
  },
  outputs: [],
  isOutput: true,
  // Sent anew each time.
  fingerprint: async () => undefined,
  async run({ images }, context) {
    for (const [place, picture] of images.entries()) {
      const file = context.scratch(".png");
      try {
        await context.world.workers.save(
          picture,
          file,
          { format: "png", quality: 100 },
          undefined,
          context.signal,
        );
        context.progress(place, images.length);
        context.preview(await readFile(file), "png");
      } finally {
        await unlink(file).catch(() => undefined);
      }
    }
    return { outputs: [], ui: {} };
  },
});
