// Large files into a bucket, in parts; an interrupted upload is found again at the store and gone on with.
//
// Owns: that search, and which parts may stay. Must never: finish an upload whose parts are not the file: each part that is
// there is compared, and the whole file's digest is known before the end.
import { createHash } from "node:crypto";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type Part,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { type Content, requireDigest, type Sending } from "./wire.ts";

/** Bytes of a part, and of the largest file that goes in one. A store takes 10,000 parts: 160 GB. */
export const PART_BYTES = 16 * 1024 * 1024;

interface Where {
  readonly Bucket: string;
  readonly Key: string;
}

export async function sendInParts(
  client: S3Client,
  where: Where,
  content: Content,
  { signal, onProgress }: Sending,
): Promise<void> {
  const options = signal === undefined ? {} : { abortSignal: signal };
  const earlier = await findUpload(client, where, options);
  const there =
    earlier === undefined ? new Map<number, Part>() : await partsOf(client, where, earlier, options);
  const UploadId = earlier ?? (await client.send(new CreateMultipartUploadCommand(where), options)).UploadId;
  const parts: { PartNumber: number; ETag: string | undefined }[] = [];
  const whole = createHash("sha256");
  for (let start = 0, PartNumber = 1; start < content.size; start += PART_BYTES, PartNumber++) {
    const end = Math.min(start + PART_BYTES, content.size);
    const Body = await content.piece(start, end);
    whole.update(Body);
    const md5 = createHash("md5").update(Body).digest();
    const known = there.get(PartNumber);
    // An ETag that is no MD5 (encrypted stores) fits nothing: the part goes once more, which costs time and no more.
    const isThere = known?.Size === Body.length && known.ETag?.replaceAll('"', "") === md5.toString("hex");
    const ContentMD5 = md5.toString("base64");
    const ETag = isThere
      ? known.ETag
      : (
          await client.send(
            new UploadPartCommand({ ...where, UploadId, PartNumber, Body, ContentMD5 }),
            options,
          )
        ).ETag;
    parts.push({ PartNumber, ETag });
    onProgress(end);
  }
  requireDigest(whole.digest("hex"), content);
  await client.send(
    new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts: parts } }),
    options,
  );
}

type Options = { readonly abortSignal?: AbortSignal };

/** The newest upload of this key that was begun. Not all keys have the right to ask. */
async function findUpload(
  client: S3Client,
  { Bucket, Key }: Where,
  options: Options,
): Promise<string | undefined> {
  try {
    const { Uploads = [] } = await client.send(
      new ListMultipartUploadsCommand({ Bucket, Prefix: Key }),
      options,
    );
    return Uploads.filter((upload) => upload.Key === Key)
      .sort((a, b) => (a.Initiated?.getTime() ?? 0) - (b.Initiated?.getTime() ?? 0))
      .at(-1)?.UploadId;
  } catch {
    options.abortSignal?.throwIfAborted();
    return undefined; // what is really wrong shows itself in the next request
  }
}

async function partsOf(
  client: S3Client,
  where: Where,
  UploadId: string,
  options: Options,
): Promise<Map<number, Part>> {
  const parts = new Map<number, Part>();
  for (let marker: string | undefined; ; ) {
    const page = await client.send(
      new ListPartsCommand({
        ...where,
        UploadId,
        ...(marker === undefined ? {} : { PartNumberMarker: marker }),
      }),
      options,
    );
    for (const part of page.Parts ?? []) if (part.PartNumber !== undefined) parts.set(part.PartNumber, part);
    if (
      page.IsTruncated !== true ||
      page.NextPartNumberMarker === undefined ||
      page.NextPartNumberMarker === marker
    ) {
      return parts;
    }
    marker = page.NextPartNumberMarker;
  }
}
