// How a result says that it was made, and how: the tags, and the XMP packet that holds them.
// Owns: which tags mark a result. Must never: read a clock or make an id: the same record gives the same bytes.
import type { Provenance } from "./types.ts";

/**
 * IPTC's term for a picture of which part was made by a trained model: the capture is real, the colour is not.
 * http://cv.iptc.org/newscodes/digitalsourcetype/
 */
const SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";

/** The marks of a result, by their XMP names. */
export interface Marks {
  readonly creatorTool: string;
  readonly digitalSourceType: string;
  /** One entry of xmpMM:History, a ResourceEvent. */
  readonly history: {
    readonly action: string;
    readonly softwareAgent: string;
    readonly when: string;
    readonly parameters: string;
  };
}

/** What is written about a result's making. */
export function marksOf(provenance: Provenance): Marks {
  const parameters = {
    model: provenance.model,
    modelSha256: provenance.modelSha256,
    device: provenance.device,
    ...provenance.parameters,
  };
  const written = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
  return {
    creatorTool: onOneLine(provenance.software),
    digitalSourceType: SOURCE_TYPE,
    history: {
      action: "colorized",
      softwareAgent: onOneLine(provenance.software),
      when: provenance.createdAt,
      parameters: onOneLine(written.join("; ")),
    },
  };
}

function onOneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

/** The marks as an XMP packet of their own. */
export function xmpPacket(marks: Marks): string {
  const { creatorTool, digitalSourceType, history } = marks;
  return `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
 xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<xmp:CreatorTool>${escaped(creatorTool)}</xmp:CreatorTool>
<Iptc4xmpExt:DigitalSourceType>${escaped(digitalSourceType)}</Iptc4xmpExt:DigitalSourceType>
<xmpMM:History><rdf:Seq><rdf:li rdf:parseType="Resource">
<stEvt:action>${escaped(history.action)}</stEvt:action>
<stEvt:softwareAgent>${escaped(history.softwareAgent)}</stEvt:softwareAgent>
<stEvt:when>${escaped(history.when)}</stEvt:when>
<stEvt:parameters>${escaped(history.parameters)}</stEvt:parameters>
</rdf:li></rdf:Seq></xmpMM:History>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
