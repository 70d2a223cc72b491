//! The icons of the studio: code points of the Phosphor subset in
//! `assets/icons`. Written by `assets/fonts/subset.py` from `icons.txt`.

/// `aperture`.
pub const APERTURE: &str = "\u{E00A}";
/// `arrow-counter-clockwise`.
pub const ARROW_COUNTER_CLOCKWISE: &str = "\u{E038}";
/// `arrow-down`.
pub const ARROW_DOWN: &str = "\u{E03E}";
/// `arrow-line-down`.
pub const ARROW_LINE_DOWN: &str = "\u{E05C}";
/// `arrow-line-up`.
pub const ARROW_LINE_UP: &str = "\u{E066}";
/// `arrow-square-in`.
pub const ARROW_SQUARE_IN: &str = "\u{E5DC}";
/// `arrow-square-out`.
pub const ARROW_SQUARE_OUT: &str = "\u{E5DE}";
/// `arrow-u-up-left`.
pub const ARROW_U_UP_LEFT: &str = "\u{E08A}";
/// `arrow-u-up-right`.
pub const ARROW_U_UP_RIGHT: &str = "\u{E08C}";
/// `arrow-up`.
pub const ARROW_UP: &str = "\u{E08E}";
/// `arrows-clockwise`.
pub const ARROWS_CLOCKWISE: &str = "\u{E094}";
/// `arrows-left-right`.
pub const ARROWS_LEFT_RIGHT: &str = "\u{E0A0}";
/// `arrows-out`.
pub const ARROWS_OUT: &str = "\u{E0A2}";
/// `arrows-out-cardinal`.
pub const ARROWS_OUT_CARDINAL: &str = "\u{E0A4}";
/// `bounding-box`.
pub const BOUNDING_BOX: &str = "\u{E6CE}";
/// `broadcast`.
pub const BROADCAST: &str = "\u{E0F2}";
/// `caret-down`.
pub const CARET_DOWN: &str = "\u{E136}";
/// `caret-left`.
pub const CARET_LEFT: &str = "\u{E138}";
/// `caret-right`.
pub const CARET_RIGHT: &str = "\u{E13A}";
/// `caret-up`.
pub const CARET_UP: &str = "\u{E13C}";
/// `chart-line`.
pub const CHART_LINE: &str = "\u{E154}";
/// `check`.
pub const CHECK: &str = "\u{E182}";
/// `check-circle`.
pub const CHECK_CIRCLE: &str = "\u{E184}";
/// `check-square`.
pub const CHECK_SQUARE: &str = "\u{E186}";
/// `circle`.
pub const CIRCLE: &str = "\u{E18A}";
/// `circle-half`.
pub const CIRCLE_HALF: &str = "\u{E18C}";
/// `circles-three`.
pub const CIRCLES_THREE: &str = "\u{E192}";
/// `clipboard`.
pub const CLIPBOARD: &str = "\u{E196}";
/// `clock`.
pub const CLOCK: &str = "\u{E19A}";
/// `clock-counter-clockwise`.
pub const CLOCK_COUNTER_CLOCKWISE: &str = "\u{E1A0}";
/// `copy`.
pub const COPY: &str = "\u{E1CA}";
/// `copy-simple`.
pub const COPY_SIMPLE: &str = "\u{E1CC}";
/// `corners-out`.
pub const CORNERS_OUT: &str = "\u{E1D0}";
/// `cpu`.
pub const CPU: &str = "\u{E610}";
/// `crop`.
pub const CROP: &str = "\u{E1D4}";
/// `crosshair-simple`.
pub const CROSSHAIR_SIMPLE: &str = "\u{E1D8}";
/// `cube`.
pub const CUBE: &str = "\u{E1DA}";
/// `dice-five`.
pub const DICE_FIVE: &str = "\u{E1EE}";
/// `dots-six-vertical`.
pub const DOTS_SIX_VERTICAL: &str = "\u{EAE2}";
/// `dots-three`.
pub const DOTS_THREE: &str = "\u{E1FE}";
/// `download-simple`.
pub const DOWNLOAD_SIMPLE: &str = "\u{E20C}";
/// `drop`.
pub const DROP: &str = "\u{E210}";
/// `eraser`.
pub const ERASER: &str = "\u{E21E}";
/// `export`.
pub const EXPORT: &str = "\u{EAF0}";
/// `eye`.
pub const EYE: &str = "\u{E220}";
/// `eye-slash`.
pub const EYE_SLASH: &str = "\u{E224}";
/// `eyedropper`.
pub const EYEDROPPER: &str = "\u{E568}";
/// `file-arrow-down`.
pub const FILE_ARROW_DOWN: &str = "\u{E232}";
/// `file-arrow-up`.
pub const FILE_ARROW_UP: &str = "\u{E61E}";
/// `file-plus`.
pub const FILE_PLUS: &str = "\u{E236}";
/// `files`.
pub const FILES: &str = "\u{E710}";
/// `film-strip`.
pub const FILM_STRIP: &str = "\u{E792}";
/// `floppy-disk`.
pub const FLOPPY_DISK: &str = "\u{E248}";
/// `folder-open`.
pub const FOLDER_OPEN: &str = "\u{E256}";
/// `folder-plus`.
pub const FOLDER_PLUS: &str = "\u{E258}";
/// `frame-corners`.
pub const FRAME_CORNERS: &str = "\u{E626}";
/// `funnel-simple`.
pub const FUNNEL_SIMPLE: &str = "\u{E268}";
/// `gradient`.
pub const GRADIENT: &str = "\u{EB42}";
/// `graduation-cap`.
pub const GRADUATION_CAP: &str = "\u{E62C}";
/// `graphics-card`.
pub const GRAPHICS_CARD: &str = "\u{E612}";
/// `hand`.
pub const HAND: &str = "\u{E298}";
/// `hourglass-medium`.
pub const HOURGLASS_MEDIUM: &str = "\u{E2B8}";
/// `image`.
pub const IMAGE: &str = "\u{E2CA}";
/// `image-square`.
pub const IMAGE_SQUARE: &str = "\u{E2CC}";
/// `info`.
pub const INFO: &str = "\u{E2CE}";
/// `keyboard`.
pub const KEYBOARD: &str = "\u{E2D8}";
/// `lasso`.
pub const LASSO: &str = "\u{EDC6}";
/// `lightning`.
pub const LIGHTNING: &str = "\u{E2DE}";
/// `line-segment`.
pub const LINE_SEGMENT: &str = "\u{E6D2}";
/// `link`.
pub const LINK: &str = "\u{E2E2}";
/// `link-break`.
pub const LINK_BREAK: &str = "\u{E2E4}";
/// `list-dashes`.
pub const LIST_DASHES: &str = "\u{E2F4}";
/// `lock-simple`.
pub const LOCK_SIMPLE: &str = "\u{E308}";
/// `lock-simple-open`.
pub const LOCK_SIMPLE_OPEN: &str = "\u{E30A}";
/// `magic-wand`.
pub const MAGIC_WAND: &str = "\u{E6B6}";
/// `magnet-straight`.
pub const MAGNET_STRAIGHT: &str = "\u{E682}";
/// `magnifying-glass`.
pub const MAGNIFYING_GLASS: &str = "\u{E30C}";
/// `magnifying-glass-minus`.
pub const MAGNIFYING_GLASS_MINUS: &str = "\u{E30E}";
/// `magnifying-glass-plus`.
pub const MAGNIFYING_GLASS_PLUS: &str = "\u{E310}";
/// `map-trifold`.
pub const MAP_TRIFOLD: &str = "\u{E31A}";
/// `memory`.
pub const MEMORY: &str = "\u{E9C4}";
/// `minus`.
pub const MINUS: &str = "\u{E32A}";
/// `minus-circle`.
pub const MINUS_CIRCLE: &str = "\u{E32C}";
/// `monitor`.
pub const MONITOR: &str = "\u{E32E}";
/// `moon`.
pub const MOON: &str = "\u{E330}";
/// `paint-brush`.
pub const PAINT_BRUSH: &str = "\u{E6F0}";
/// `paint-bucket`.
pub const PAINT_BUCKET: &str = "\u{E392}";
/// `palette`.
pub const PALETTE: &str = "\u{E6C8}";
/// `pause`.
pub const PAUSE: &str = "\u{E39E}";
/// `pencil-simple`.
pub const PENCIL_SIMPLE: &str = "\u{E3B4}";
/// `percent`.
pub const PERCENT: &str = "\u{E3B6}";
/// `play`.
pub const PLAY: &str = "\u{E3D0}";
/// `plus`.
pub const PLUS: &str = "\u{E3D4}";
/// `plus-circle`.
pub const PLUS_CIRCLE: &str = "\u{E3D6}";
/// `polygon`.
pub const POLYGON: &str = "\u{E6D0}";
/// `puzzle-piece`.
pub const PUZZLE_PIECE: &str = "\u{E596}";
/// `question`.
pub const QUESTION: &str = "\u{E3E8}";
/// `rectangle`.
pub const RECTANGLE: &str = "\u{E3F0}";
/// `ruler`.
pub const RULER: &str = "\u{E6B8}";
/// `scan`.
pub const SCAN: &str = "\u{EBB6}";
/// `selection`.
pub const SELECTION: &str = "\u{E69A}";
/// `selection-all`.
pub const SELECTION_ALL: &str = "\u{E746}";
/// `selection-inverse`.
pub const SELECTION_INVERSE: &str = "\u{E744}";
/// `selection-plus`.
pub const SELECTION_PLUS: &str = "\u{E69C}";
/// `selection-slash`.
pub const SELECTION_SLASH: &str = "\u{E69E}";
/// `shapes`.
pub const SHAPES: &str = "\u{EC5E}";
/// `sign-out`.
pub const SIGN_OUT: &str = "\u{E42A}";
/// `sliders-horizontal`.
pub const SLIDERS_HORIZONTAL: &str = "\u{E434}";
/// `sort-ascending`.
pub const SORT_ASCENDING: &str = "\u{E444}";
/// `sparkle`.
pub const SPARKLE: &str = "\u{E6A2}";
/// `square`.
pub const SQUARE: &str = "\u{E45E}";
/// `squares-four`.
pub const SQUARES_FOUR: &str = "\u{E464}";
/// `stack`.
pub const STACK: &str = "\u{E466}";
/// `star`.
pub const STAR: &str = "\u{E46A}";
/// `stop`.
pub const STOP: &str = "\u{E46C}";
/// `sun`.
pub const SUN: &str = "\u{E472}";
/// `swap`.
pub const SWAP: &str = "\u{E83C}";
/// `swatches`.
pub const SWATCHES: &str = "\u{E5B8}";
/// `table`.
pub const TABLE: &str = "\u{E476}";
/// `tag`.
pub const TAG: &str = "\u{E478}";
/// `text-t`.
pub const TEXT_T: &str = "\u{E48A}";
/// `trash`.
pub const TRASH: &str = "\u{E4A6}";
/// `upload-simple`.
pub const UPLOAD_SIMPLE: &str = "\u{E4C0}";
/// `warning`.
pub const WARNING: &str = "\u{E4E0}";
/// `warning-circle`.
pub const WARNING_CIRCLE: &str = "\u{E4E2}";
/// `x`.
pub const X: &str = "\u{E4F6}";
/// `x-circle`.
pub const X_CIRCLE: &str = "\u{E4F8}";
