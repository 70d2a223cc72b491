//! A1111 infotext: the `parameters` text that most studios write and read.
//!
//! The form is defined by its first writer and reader, AUTOMATIC1111's web UI:
//! the prompt, a line `Negative prompt: …`, and a last line of `key: value`
//! pairs. It cannot hold everything (no picture, no mask), so our
//! own files carry [our JSON](super::PaintedRecipe::to_json) beside it.

mod reading;
mod writing;

pub use reading::read_infotext;
pub(super) use reading::read_infotext_or_prompt;
pub use writing::write_infotext;

const NEGATIVE: &str = "Negative prompt:";

/// How masks are framed there: the keys, and the value that says that they are.
const INPAINT_AREA: &str = "Inpaint area";
const ONLY_MASKED: &str = "Only masked";
const PADDING: &str = "Masked area padding";
const MASKED_CONTENT: &str = "Masked content";
/// Whether what a mask covers in part is repainted less.
const GRADUAL_MASK: &str = "Gradual mask";
/// Whether the model placed boxes, and what for.
const WORDS_AS_BOXES: &str = "Boxes from words";
const MAP_AS_BOXES: &str = "Boxes from label map";

/// How a picture was made larger before it was painted over once more: keys of others, and
/// what our network is called. Steps and strength are numbers of the job.
const HIRES: &str = "Hires ";
const HIRES_UPSCALE: &str = "Hires upscale";
const HIRES_RESIZE: &str = "Hires resize";
const HIRES_UPSCALER: &str = "Hires upscaler";
const UPSCALER: &str = "realesr-animevideov3";

/// Whether copies side by side show no seam, and the windows that it is painted in.
const TILING: &str = "Tiling";
const WINDOWS: &str = "Windows";

/// What the denoiser is taken to predict.
const PREDICTION: &str = "Prediction";
/// How A1111 calls guidance that begins later.
const SKIP_EARLY_CFG: &str = "Skip Early CFG";
/// What of a guide counts.
const GUIDE: &str = "Guide";
/// The number of the class that was painted.
const CLASS: &str = "Class";
/// What led to it, and its digest.
const CLASSIFIER: &str = "Classifier";
const CLASSIFIER_HASH: &str = "Classifier hash";
/// A picture that controls the painting, with its number behind it.
const CONTROL: &str = "ControlNet ";
/// Names and digests of LoRAs.
const LORA_HASHES: &str = "Lora hashes";

/// Names and digests of words that were taught to the text encoder.
const WORD_HASHES: &str = "TI hashes";
/// The first stage, where it is not the model's own, and its digest.
const VAE: &str = "VAE";
const VAE_HASH: &str = "VAE hash";

/// What signs in prompts mean, which other programs need not be told.
const PROMPT_SYNTAX: &str = "Prompt syntax";
/// How our own files name the program.
const VERSION: &str = "Version";
