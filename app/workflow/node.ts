// What a node is. A node is declared once, in a file of its own; validation, /object_info, documentation and the editor's
// forms are all derived from the declaration.
//
// Owns: the sockets' types and the shape of a declaration. Must never: know a particular node.
import type { Colorizer, ImageModels } from "../colorize/index.ts";
import type {
  Limits,
  Making,
  Mask,
  OutputFormat,
  Picture,
  PixelWorkers,
  Workplace,
} from "../imaging/index.ts";
import type { Model, ModelStore } from "../modelstore/index.ts";
import type { ApiGraph } from "./graph.ts";

/** Words for people, in the languages of the program. */
export interface Words {
  readonly en: string;
  readonly zh: string;
}

/** Pictures that go through a graph together. At least one. */
export type Images = readonly Picture[];
/** Masks, one per picture or one for all. At least one. 255 (1.0) is what the mask is about. */
export type Masks = readonly Mask[];

/** What goes through sockets. */
export interface SocketTypes {
  IMAGE: Images;
  MASK: Masks;
  INT: number;
  FLOAT: number;
  BOOLEAN: boolean;
  STRING: string;
}
export type SocketType = keyof SocketTypes;

/** What a choice can be made from; a function is asked anew each time. */
export type Choices = readonly string[] | ((world: World) => readonly string[]);

interface InputBase {
  readonly label: Words;
  readonly tooltip: Words;
  /** May be absent from a graph; then it is its default, or undefined. */
  readonly isOptional: boolean;
  /** Editors show it only on request. */
  readonly isAdvanced: boolean;
}
export interface SocketInput extends InputBase {
  readonly type: "IMAGE" | "MASK";
}
export interface NumberInput extends InputBase {
  readonly type: "INT" | "FLOAT";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** For editors; not validated, as ComfyUI does not. */
  readonly step: number;
}
export interface BooleanInput extends InputBase {
  readonly type: "BOOLEAN";
  readonly default: boolean;
}
export interface StringInput extends InputBase {
  readonly type: "STRING";
  readonly default: string;
  readonly isMultiline: boolean;
}
export interface ChoiceInput extends InputBase {
  readonly type: "COMBO";
  readonly choices: Choices;
  /** Absent: the first choice. */
  readonly default?: string;
  /** The choice names a picture that can be uploaded. */
  readonly isUpload: boolean;
}
export type InputSpec = SocketInput | NumberInput | BooleanInput | StringInput | ChoiceInput;

/** An input whose value has this type when the node runs. */
export type Input<T> = InputSpec & { readonly __value?: T };

interface Common {
  readonly label: Words;
  readonly tooltip: Words;
  readonly isAdvanced?: boolean;
}
const base = ({ label, tooltip, isAdvanced = false }: Common) => ({
  label,
  tooltip,
  isAdvanced,
  isOptional: false,
});

export const image = (about: Common): Input<Images> => ({ ...base(about), type: "IMAGE" });
export const mask = (about: Common): Input<Masks> => ({ ...base(about), type: "MASK" });
export const int = (
  about: Common & { default: number; min: number; max: number; step?: number },
): Input<number> => ({
  ...base(about),
  type: "INT",
  default: about.default,
  min: about.min,
  max: about.max,
  step: about.step ?? 1,
});
export const float = (
  about: Common & { default: number; min: number; max: number; step?: number },
): Input<number> => ({
  ...base(about),
  type: "FLOAT",
  default: about.default,
  min: about.min,
  max: about.max,
  step: about.step ?? 0.01,
});
export const boolean = (about: Common & { default: boolean }): Input<boolean> => ({
  ...base(about),
  type: "BOOLEAN",
  default: about.default,
});
export const string = (about: Common & { default: string; isMultiline?: boolean }): Input<string> => ({
  ...base(about),
  type: "STRING",
  default: about.default,
  isMultiline: about.isMultiline ?? false,
});
export const choice = <T extends string = string>(
  about: Common & {
    choices: readonly T[] | ((world: World) => readonly string[]);
    default?: T;
    isUpload?: boolean;
  },
): Input<T> => ({
  ...base(about),
  type: "COMBO",
  choices: about.choices,
  ...(about.default === undefined ? {} : { default: about.default }),
  isUpload: about.isUpload ?? false,
});

/** An input that may be left out. Sockets are undefined then, widgets have their default. */
export function optional<T>(
  input: Input<T>,
): Input<T extends Images | Masks ? T | undefined : T> & { readonly isOptional: true } {
  return { ...input, isOptional: true } as Input<T extends Images | Masks ? T | undefined : T> & {
    readonly isOptional: true;
  };
}

export interface OutputSpec {
  readonly type: SocketType;
  /** ComfyUI's output_name. */
  readonly name: string;
  readonly tooltip?: Words;
}

export type InputSpecs = Readonly<Record<string, InputSpec>>;
export type InputValues<Specs extends InputSpecs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends Input<infer T> ? T : never;
};
export type OutputValues<Specs extends readonly OutputSpec[]> = {
  readonly [Place in keyof Specs]: SocketTypes[Specs[Place]["type"]];
};

/** A file that a graph wrote or reads, as ComfyUI names it; never a path. */
export interface FileReference {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: "input" | "output" | "temp";
}

/** What surrounds all graphs of a process: which models there are, which files may be read and where results go. */
export interface World {
  readonly files: GraphFiles;
  /** What the ddcolor nodes colour with. */
  readonly models: ModelStore;
  readonly colorizer: Colorizer;
  /** Models that the user added. */
  readonly imageModels: ImageModels;
  readonly workers: PixelWorkers;
  readonly limits: Limits;
}

/** What is in a file that a graph wrote. */
export interface Written {
  readonly width: number;
  readonly height: number;
  readonly format: OutputFormat;
  readonly making: readonly Making[];
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

/** The files that a graph may read and write. Nothing else is within its reach. */
export interface GraphFiles {
  /** Names of pictures for LoadImage's list. */
  list(): readonly string[];
  /**
   * The absolute path of a picture by the name that a graph gives ("a.jpg", "album/a.jpg", "a.png [output]").
   * Undefined when there is none, or when the name leads out of the folder.
   */
  find(name: string): string | undefined;
  /**
   * Makes a new file appear whole.
   * @param wish ComfyUI's filename_prefix, may have subfolders
   * @param write fills the temporary file, and says what is in it
   * @throws AutochromeError "path-outside" when the wish leads out of the folder
   */
  save(
    wish: { readonly prefix: string; readonly extension: string; readonly isPreview: boolean },
    write: (temporary: string) => Promise<Written>,
  ): Promise<FileReference>;
}

/** What a node gets that works on pixels. It runs in a pixel worker thread: everything here crosses the border. */
export interface PixelContext extends Workplace {
  readonly limits: Limits;
  /** Whole numbers. */
  progress(value: number, max: number): void;
}

/** What a node gets that works in the engine's own thread: it must leave pixels to the workers. */
export interface EngineContext {
  readonly world: World;
  readonly prompt: PromptInfo;
  readonly signal: AbortSignal;
  /** Large pictures lie beside this path. */
  readonly scratchBeside: string;
  /** A new path for a scratch file; its maker removes it, unless it is a picture's. */
  scratch(extension: string): string;
  progress(value: number, max: number): void;
  /** Whether anybody looks at previews. */
  readonly wantsPreviews: boolean;
  /** Shows a picture in a client while the node runs: encoded, at most 512 pixels a side. */
  preview(image: Buffer, format: "jpeg" | "png"): void;
  /** Runs a function of app/imaging or of this room in a pixel worker. See worker.ts. */
  pixels: PixelWorkers["call"];
  /** Identifies the content of a linked input: equal where the graph up to there and its files are equal. */
  keyOf(input: string): string;
}

/** The prompt that a node runs in. */
export interface PromptInfo {
  readonly id: string;
  readonly graph: ApiGraph;
  /** The client's extra_pnginfo: for instance the graph in the editor's format, under "workflow". */
  readonly extraPngInfo: Readonly<Record<string, unknown>> | undefined;
  /** ISO time, UTC, that is written into results. */
  readonly createdAt: string;
}

/** What an output node shows: ComfyUI's "ui" value. */
export interface Ui {
  readonly images?: readonly FileReference[];
  readonly text?: readonly string[];
}

export interface NodeDeclaration<
  Inputs extends InputSpecs = InputSpecs,
  Outputs extends readonly OutputSpec[] = readonly OutputSpec[],
> {
  /** ComfyUI's class_type. */
  readonly class: string;
  readonly title: Words;
  readonly description: Words;
  /** With "/" between levels, for example "image/transform". */
  readonly category: string;
  /** In the order of the editor's form. */
  readonly inputs: Inputs;
  readonly outputs: Outputs;
  /** Graphs are run from such nodes. */
  readonly isOutput?: boolean;
  /** Other words that people look for it by. */
  readonly aliases?: readonly string[];
  /** Not for new graphs. */
  readonly isDeprecated?: boolean;
  /** What else the result depends on, besides inputs: for instance a file's content. Undefined: never the same. */
  fingerprint?(
    inputs: Partial<InputValues<Inputs>>,
    world: World,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  /** The models that it would run. */
  models?(inputs: Partial<InputValues<Inputs>>, world: World): readonly Model[];
  /** What is wrong with the given widget values; a sentence without a full stop, or undefined. */
  check?(inputs: Partial<InputValues<Inputs>>, world: World): string | undefined;
  /** Inputs that `check` judges alone, instead of by range and list. */
  readonly checks?: readonly string[];
}

type MaybePromise<T> = T | Promise<T>;

export interface PixelNode<
  Inputs extends InputSpecs = InputSpecs,
  Outputs extends readonly OutputSpec[] = readonly OutputSpec[],
> extends NodeDeclaration<Inputs, Outputs> {
  readonly place: "pixels";
  run(inputs: InputValues<Inputs>, context: PixelContext): MaybePromise<OutputValues<Outputs>>;
}

export interface EngineNode<
  Inputs extends InputSpecs = InputSpecs,
  Outputs extends readonly OutputSpec[] = readonly OutputSpec[],
> extends NodeDeclaration<Inputs, Outputs> {
  readonly place: "engine";
  run(
    inputs: InputValues<Inputs>,
    context: EngineContext,
  ): MaybePromise<{ readonly outputs: OutputValues<Outputs>; readonly ui?: Ui }>;
}

/** Any declared node, as the engine handles it: inputs were validated against the declaration before it runs. */
export interface AnyNode extends Omit<NodeDeclaration, "fingerprint" | "check" | "models"> {
  readonly place: "pixels" | "engine";
  fingerprint?(
    inputs: Readonly<Record<string, unknown>>,
    world: World,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  check?(inputs: Readonly<Record<string, unknown>>, world: World): string | undefined;
  models?(inputs: Readonly<Record<string, unknown>>, world: World): readonly Model[];
  run(inputs: Readonly<Record<string, unknown>>, context: never): unknown;
}

/** Declares a node that only changes pixels. `run` is called in a worker thread and must not keep anything. */
export function pixelNode<Inputs extends InputSpecs, const Outputs extends readonly OutputSpec[]>(
  node: Omit<PixelNode<Inputs, Outputs>, "place">,
): PixelNode<Inputs, Outputs> {
  return { ...node, place: "pixels" };
}

/** Declares a node that needs the engine: files, models. */
export function engineNode<Inputs extends InputSpecs, const Outputs extends readonly OutputSpec[]>(
  node: Omit<EngineNode<Inputs, Outputs>, "place">,
): EngineNode<Inputs, Outputs> {
  return { ...node, place: "engine" };
}
