// `doctor`: looks at everything that can be wrong, changes nothing, and prints a report to paste into an issue.
import { examineHealth, findingInWords } from "../../health.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { type Output, printable } from "../output.ts";

export async function doctor(flags: { readonly library?: string }, output: Output): Promise<number> {
  const engine = createEngine({ library: flags.library });
  try {
    let bad = 0;
    const onProbe = (device: string) => output.say(`Trying ${device} …`);
    for await (const finding of examineHealth({ ...engine, onProbe })) {
      if (!finding.ok) bad++;
      output.line(finding);
      for (const line of findingInWords(finding)) output.result(printable(line));
    }
    output.summary({ problems: bad }, bad === 0 ? "Everything is in order." : `${bad} to look at.`);
    return bad === 0 ? EXIT.ok : EXIT.failed;
  } finally {
    await engine.close();
  }
}
