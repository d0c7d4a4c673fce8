// The words of a session's report. It is a file that is read without the window, so the engine has them, in both languages.
// Must never: be used for anything that the window shows.

export interface ReportWords {
  readonly lang: "en" | "zh-CN";
  readonly before: string;
  readonly after: string;
  readonly accepted: string;
  readonly rejected: string;
  readonly undecided: string;
  readonly uncoloured: string;
  readonly taken: string;
  readonly undated: string;
  readonly model: string;
  readonly stars: (count: number) => string;
  readonly photos: (count: number) => string;
  readonly counts: (accepted: number, rejected: number, undecided: number) => string;
  readonly madeAt: (date: string, program: string) => string;
  /** A picture that could not be read. */
  readonly noPicture: string;
  /** What colours in such pictures are. */
  readonly about: string;
}

const EN: ReportWords = {
  lang: "en",
  before: "Before",
  after: "After",
  accepted: "Accepted",
  rejected: "Rejected",
  undecided: "Not decided",
  uncoloured: "Not coloured yet",
  taken: "Taken",
  undated: "date unknown",
  model: "Coloured with",
  stars: (count) => `${count} of 5 stars`,
  photos: (count) => (count === 1 ? "1 photo" : `${count} photos`),
  counts: (accepted, rejected, undecided) =>
    `${accepted} accepted, ${rejected} rejected, ${undecided} not decided`,
  madeAt: (date, program) => `Made on ${date} with ${program}.`,
  noPicture: "The picture could not be read.",
  about: "The colours were added by a program. They are plausible, not known.",
};

const ZH: ReportWords = {
  lang: "zh-CN",
  before: "上色前",
  after: "上色后",
  accepted: "已接受",
  rejected: "已拒绝",
  undecided: "未决定",
  uncoloured: "尚未上色",
  taken: "拍摄于",
  undated: "日期不详",
  model: "上色模型",
  stars: (count) => `${count} 星（满分 5 星）`,
  photos: (count) => `${count} 张照片`,
  counts: (accepted, rejected, undecided) =>
    `已接受 ${accepted} 张，已拒绝 ${rejected} 张，未决定 ${undecided} 张`,
  madeAt: (date, program) => `${date}，由 ${program} 生成。`,
  noPicture: "无法读取这张图片。",
  about: "颜色由程序添加，只是合理的推测，并非真实记录。",
};

/** @param language as Accept-Language has it */
export function reportWords(language = ""): ReportWords {
  return /^zh\b/i.test(language.trim()) ? ZH : EN;
}
