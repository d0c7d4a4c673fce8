// Suggest: which preset suits a photograph, from what is to be seen in it: faces, and the straight edges of buildings.
// Owns: the network that finds faces, and the rule. Must never: choose for anybody (it is asked, and only where the user
// wishes it), run a graph, or write anything.
export type { SuggestedPreset, Suggestion } from "./decide.ts";
export type { Face } from "./faces.ts";
export { createSuggester, type Suggester, type SuggesterOptions } from "./suggester.ts";
