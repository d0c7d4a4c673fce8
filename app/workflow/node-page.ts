// The page of the user's guide that lists all nodes, written from their declarations.
// Must never: say anything that a declaration does not.
import { NODES } from "./library.ts";
import type { AnyNode, InputSpec, Words } from "./node.ts";
import { orderedInputs } from "./object-info.ts";

type Language = keyof Words;

const WORDS = {
  title: { en: "Nodes", zh: "节点" },
  intro: {
    en: "Every node that a workflow can have. This page is written by `npx --no-install node main/docs/nodes.ts` from the nodes' declarations.",
    zh: "工作流可用的全部节点。本页由 `npx --no-install node main/docs/nodes.ts` 根据节点声明生成。",
  },
  outputs: { en: "Outputs", zh: "输出" },
  table: { en: ["Input", "Type", "Default", "Meaning"], zh: ["输入", "类型", "默认值", "说明"] },
  optional: { en: "optional", zh: "可选" },
  advanced: { en: "advanced", zh: "高级" },
  list: { en: "what is there", zh: "现有的选项" },
  isOutput: { en: "Workflows are run from this node.", zh: "工作流从该节点开始运行。" },
  deprecated: { en: "Not for new workflows.", zh: "新的工作流请勿使用。" },
} as const;

/** The page in Markdown, ending in a newline. */
export function nodePage(language: Language): string {
  const byCategory = Map.groupBy(NODES.values(), ({ category }) => category);
  const parts = [`# ${WORDS.title[language]}`, WORDS.intro[language]];
  for (const category of [...byCategory.keys()].sort()) {
    parts.push(`## ${category}`);
    for (const node of byCategory.get(category) ?? []) parts.push(...section(node, language));
  }
  return `${parts.join("\n\n")}\n`;
}

function section(node: AnyNode, language: Language): string[] {
  const inputs = orderedInputs(node);
  const notes = [
    ...(node.isOutput === true ? [WORDS.isOutput[language]] : []),
    ...(node.isDeprecated === true ? [WORDS.deprecated[language]] : []),
  ];
  const gap = language === "en" ? " " : "";
  const parts = [
    `### ${node.title[language]}`,
    `\`${node.class}\`${language === "en" ? ": " : "："}${[node.description[language], ...notes].join(gap)}`,
  ];
  if (inputs.length > 0) {
    const rows = inputs.map(([name, spec]) => [
      `\`${name}\`${marks(spec, language)}`,
      typeOf(spec, language),
      defaultOf(spec),
      spec.tooltip[language],
    ]);
    const head = WORDS.table[language];
    parts.push([row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n"));
  }
  if (node.outputs.length > 0) {
    const outputs = node.outputs.map(({ name, type, tooltip }) => {
      const about = tooltip === undefined ? "" : language === "en" ? ` (${tooltip.en})` : `（${tooltip.zh}）`;
      return `${name === type ? "" : `\`${name}\` `}${type}${about}`;
    });
    parts.push(
      `${WORDS.outputs[language]}${language === "en" ? ": " : "："}${outputs.join(language === "en" ? ", " : "、")}`,
    );
  }
  return parts;
}

const row = (cells: readonly string[]) =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;

function marks({ isOptional, isAdvanced }: InputSpec, language: Language): string {
  const all = [
    ...(isOptional ? [WORDS.optional[language]] : []),
    ...(isAdvanced ? [WORDS.advanced[language]] : []),
  ];
  if (all.length === 0) return "";
  return language === "en" ? ` (${all.join(", ")})` : `（${all.join("、")}）`;
}

function typeOf(spec: InputSpec, language: Language): string {
  switch (spec.type) {
    case "INT":
    case "FLOAT":
      return `${spec.type} ${spec.min} – ${spec.max}`;
    case "COMBO":
      return typeof spec.choices === "function" ? WORDS.list[language] : spec.choices.join(", ");
    default:
      return spec.type;
  }
}

function defaultOf(spec: InputSpec): string {
  if (spec.type === "COMBO") {
    return spec.default ?? (typeof spec.choices === "function" ? "" : (spec.choices[0] ?? ""));
  }
  return "default" in spec ? String(spec.default) : "";
}
