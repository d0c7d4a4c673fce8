// Writes docs/nodes.md and docs/nodes.zh-CN.md from the nodes' declarations. Run it when a node was added or changed.
import { fileURLToPath } from "node:url";
import { writeFileAtomically } from "../../app/kernel/index.ts";
import { nodePage } from "../../app/workflow/index.ts";

const page = (name: string) => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));
await writeFileAtomically(page("nodes.md"), nodePage("en"), { overwrite: true });
await writeFileAtomically(page("nodes.zh-CN.md"), nodePage("zh"), { overwrite: true });
