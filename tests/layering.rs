//! The walls of the house: which room may use which, and which foreign crates.
//!
//! One package has no crate borders to keep the rooms apart, so this test does:
//! it reads every path in `src` and fails where one goes in a direction that
//! the tables below do not allow. To open a new way, change the table and say
//! why in the commit.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

/// Lines a file may have; at 400 its author should ask whether it is two files.
const MOST_LINES: usize = 600;

/// For every room, the rooms it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("geometry", &[]),
    ("folders", &[]),
    ("files", &[]),
    ("icons", &[]),
    ("pixels", &[]),
    ("random", &[]),
    // A recipe's seed chooses the wildcards of its prompt.
    ("recipe", &["files", "geometry", "pixels", "random"]),
    ("frame", &["geometry", "pixels", "random", "recipe"]),
    ("control", &["pixels", "recipe"]),
    ("exchange", &["files", "recipe"]),
    ("scenes", &["files", "random"]),
    ("kernels", &[]),
    ("nn", &["kernels"]),
    // What was computed of weights is remembered in the user's cache.
    ("model", &["files", "folders", "nn", "random", "recipe"]),
    ("diffusion", &["model", "nn", "pixels", "recipe"]),
    (
        "train",
        &[
            // COCO JSON beside the pictures.
            "exchange",
            "files",
            "diffusion",
            "frame",
            "model",
            "nn",
            "pixels",
            "random",
            "recipe",
            "scenes",
        ],
    ),
    (
        "evaluate",
        &[
            "diffusion",
            "files",
            "frame",
            "model",
            "nn",
            "pixels",
            "recipe",
            "scenes",
            "train",
        ],
    ),
    (
        "engine",
        &[
            "control",
            "diffusion",
            // Its judge reads pictures, for label maps and boxes to draw on.
            "evaluate",
            // What it knows of models is kept in files that appear whole.
            "files",
            "folders",
            "frame",
            "gpu",
            "model",
            "pixels",
            "recipe",
            "scenes",
            "train",
        ],
    ),
    ("document", &["geometry", "recipe"]),
    ("project", &["document", "files", "geometry", "recipe"]),
    (
        "tools",
        &["document", "frame", "geometry", "icons", "recipe"],
    ),
    ("gpu", &["document", "geometry"]),
    (
        "app",
        &[
            "control", "files", "document", "engine", "exchange", "folders", "frame", "geometry",
            "gpu", "icons", "project", "random", "recipe", "scenes", "tools",
        ],
    ),
    (
        "ui",
        &[
            "app", "document", "engine", "frame", "geometry", "gpu", "icons", "project", "recipe",
            "tools",
        ],
    ),
    ("window", &["app", "engine", "folders", "gpu", "ui"]),
    (
        "cli",
        &[
            "diffusion",
            "engine",
            "evaluate",
            "exchange",
            "files",
            "folders",
            "frame",
            "geometry",
            "gpu",
            "model",
            "random",
            "recipe",
            "scenes",
        ],
    ),
    // The kernels are asked how memory is best kept and whose threads come first,
    // before anything else is done.
    ("main", &["cli", "engine", "gpu", "kernels", "window"]),
];

/// Rooms of which a user may see only some parts.
const ONLY_PARTS: &[(&str, &str, &[&str])] = &[
    ("cli", "gpu", &["Adapter", "adapters"]),
    (
        "engine",
        "gpu",
        &["Adapter", "adapters", "answers", "share"],
    ),
    // A label map means the same in a document and in a job.
    (
        "document",
        "recipe",
        &[
            "NOTHING",
            "Palette",
            "PaletteClass",
            "PaletteError",
            "palette",
        ],
    ),
    // Tools describe their numbers as recipes do, and know nothing of jobs.
    ("tools", "recipe", &["palette", "param"]),
    // The engine reads pictures, and judges no model.
    ("engine", "evaluate", &["Judge", "Segmentation"]),
    // The window offers the classes of storybook scenes, and draws none.
    ("app", "scenes", &["PaletteEntry", "palette"]),
];

/// Files of the engine that the window reads too: they name no tensor.
const TENSOR_FREE_ENGINE: &[&str] = &[
    "backlog.rs",
    "handle.rs",
    "job.rs",
    "protocol.rs",
    "queue.rs",
    "samplers.rs",
    "work.rs",
    "worker_loop.rs",
];

/// Foreign crates with borders of their own, and the rooms they may enter.
const MAY_ENTER: &[(&[&str], &[&str])] = &[
    (
        &[
            "burn",
            "burn_cubecl",
            "burn_flex",
            "burn_wgpu",
            "cubecl",
            "cubecl_runtime",
            "gemm",
            "libc",
            "pulp",
        ],
        &[
            "diffusion",
            "engine",
            "evaluate",
            "gpu",
            "kernels",
            "model",
            "nn",
            "train",
        ],
    ),
    (
        &["egui", "eframe", "egui_plot"],
        &["app", "gpu", "ui", "window"],
    ),
    (&["egui_wgpu"], &["gpu", "ui", "window"]),
    (&["wgpu"], &["engine", "gpu"]),
    (&["arboard", "rfd"], &["app"]),
    (&["clap", "indicatif", "signal_hook"], &["cli", "main"]),
    // Drawings of figures become pictures.
    (&["resvg"], &["evaluate", "scenes", "ui"]),
    (&["thread_priority"], &["kernels"]),
    (&["zip"], &["files", "project"]),
];

struct SourceFile {
    path: PathBuf,
    /// Folder or file under `src` that the file belongs to.
    room: String,
    /// How many modules deep the file is: 1 for the room itself.
    depth: usize,
    text: String,
}

/// The package, in which cargo starts its tests. Not the folder of the build: a
/// target folder may serve more than one checkout.
fn package() -> &'static Path {
    Path::new("")
}

fn sources() -> Vec<SourceFile> {
    let root = package().join("src");
    let files = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter();
    let files = files.map(|entry| entry.unwrap().into_path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let inner = path.strip_prefix(&root).unwrap().with_extension("");
            let mut parts: Vec<_> = inner.iter().map(|part| part.to_str().unwrap()).collect();
            parts.pop_if(|last| *last == "mod");
            SourceFile {
                room: parts[0].to_owned(),
                depth: parts.len(),
                text: std::fs::read_to_string(&path).unwrap(),
                path,
            }
        })
        .collect()
}

/// The text without comments and string contents, so that only code is judged.
fn code_of(text: &str) -> String {
    let noise = Regex::new(
        r##"(?s)//[^\n]*|/\*.*?\*/|b?r#+".*?"#+|b?"(?:\\.|[^\\"])*"|b?'(?:\\.[^']*|[^\\'])'"##,
    );
    noise.unwrap().replace_all(text, " ").into_owned()
}

/// Every `room` or `room::part` that the code names, by `crate::…` or by enough
/// `super::` to leave its own room.
fn rooms_named(code: &str, depth: usize) -> BTreeSet<(String, Option<String>)> {
    let name = Regex::new(r"^(\w+)(?:\s*::\s*(\w+))?").unwrap();
    let start = Regex::new(r"\b(?:(?:crate|velatura)\s*::\s*|((?:super\s*::\s*)+))").unwrap();
    let mut named = BTreeSet::new();
    for found in start.captures_iter(code) {
        if let Some(supers) = found.get(1)
            && supers.as_str().matches("super").count() != depth
        {
            continue;
        }
        let rest = &code[found.get(0).unwrap().end()..];
        for path in first_parts(rest) {
            let parts = name.captures(path);
            named.extend(parts.map(|parts| {
                (
                    parts[1].to_owned(),
                    parts.get(2).map(|part| part.as_str().to_owned()),
                )
            }));
        }
    }
    named
}

/// What follows `crate::`: one path, or every path of a `{…}` group.
fn first_parts(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![rest];
    };
    let mut parts = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                parts.push(group[begin..at].trim());
                begin = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    parts
}

/// What a file that says `use crate::room;` takes from it, as `room::part`.
fn parts_named<'a>(code: &'a str, room: &str) -> impl Iterator<Item = &'a str> {
    let path = Regex::new(&format!(r"(?:^|[^:\w]){room}\s*::\s*(\w+)")).unwrap();
    let found: Vec<_> = path.captures_iter(code).collect();
    found
        .into_iter()
        .filter_map(|found| found.get(1))
        .map(|part| part.as_str())
}

/// Every foreign crate of [`MAY_ENTER`] that the code names.
fn crates_named(code: &str) -> BTreeSet<&'static str> {
    // eframe hands on the crates it draws with; they keep their own borders.
    let path = Regex::new(r"(?m)(^|[^:\w])(?:eframe\s*::\s*)?(\w+)\s*(?:::|;|\s+as\s)").unwrap();
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let watched = MAY_ENTER
        .iter()
        .flat_map(|(crates, _)| crates.iter().copied());
    let watched: BTreeSet<&str> = watched.collect();
    for found in path.captures_iter(code) {
        named.extend(watched.get(&found[2]));
    }
    named
}

fn short(path: &Path) -> String {
    path.strip_prefix(package()).unwrap().display().to_string()
}

#[test]
fn no_room_uses_one_that_it_may_not() {
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|file| file.room != "lib") {
        let Some(allowed) = table.get(file.room.as_str()) else {
            wrong.push(format!(
                "{}: its room is not in the table",
                short(&file.path)
            ));
            continue;
        };
        let code = code_of(&file.text);
        for (room, part) in rooms_named(&code, file.depth) {
            if room == file.room || !table.contains_key(room.as_str()) {
                continue;
            }
            let limit = ONLY_PARTS
                .iter()
                .find(|rule| rule.0 == file.room && rule.1 == room);
            let part_allowed = limit.is_none_or(|(_, _, parts)| match &part {
                Some(part) => parts.contains(&part.as_str()),
                None => parts_named(&code, &room).all(|part| parts.contains(&part)),
            });
            if !allowed.contains(&room.as_str()) || !part_allowed {
                let part = part.map(|part| format!("::{part}")).unwrap_or_default();
                wrong.push(format!("{} uses {room}{part}", short(&file.path)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for file in sources() {
        let in_window_part = file.room == "engine"
            && TENSOR_FREE_ENGINE
                .iter()
                .any(|name| file.path.ends_with(name));
        for name in crates_named(&code_of(&file.text)) {
            let (crates, rooms) = *MAY_ENTER
                .iter()
                .find(|rule| rule.0.contains(&name))
                .unwrap();
            let is_tensor = crates.contains(&"burn");
            if !rooms.contains(&file.room.as_str()) || (is_tensor && in_window_part) {
                wrong.push(format!("{} uses the crate {name}", short(&file.path)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_person_can_hold_in_mind() {
    let lines = |file: &SourceFile| file.text.lines().count();
    let sources = sources();
    let long = sources.iter().filter(|file| lines(file) > MOST_LINES);
    let long: Vec<_> = long
        .map(|file| format!("{}: {}", short(&file.path), lines(file)))
        .collect();
    assert!(
        long.is_empty(),
        "over {MOST_LINES} lines: {}",
        long.join(", ")
    );
}

#[test]
fn the_module_map_names_every_room_and_no_other() {
    let library = std::fs::read_to_string(package().join("src/lib.rs")).unwrap();
    let all = |pattern: &str| -> BTreeSet<String> {
        let pattern = Regex::new(pattern).unwrap();
        pattern
            .captures_iter(&library)
            .map(|found| found[1].to_owned())
            .collect()
    };
    let mapped = all(r"(?m)^//! .*?\[`(\w+)`\]");
    let declared = all(r"(?m)^pub mod (\w+);");
    let present = sources().into_iter().map(|file| file.room);
    let present: BTreeSet<_> = present
        .filter(|room| room != "lib" && room != "main")
        .collect();
    assert_eq!(
        mapped, present,
        "map in the documentation of lib.rs, folders in src"
    );
    assert_eq!(
        declared, present,
        "`pub mod` lines of lib.rs, folders in src"
    );
}

#[test]
fn every_room_says_what_it_is_for() {
    let sources = sources();
    let silent = sources
        .iter()
        .filter(|file| file.depth == 1 && !file.text.starts_with("//!"));
    let silent: Vec<_> = silent.map(|file| short(&file.path)).collect();
    assert!(
        silent.is_empty(),
        "without module documentation: {}",
        silent.join(", ")
    );
}

#[test]
fn the_reader_sees_every_way_of_naming_a_room() {
    let named = |code: &str, depth| -> Vec<String> {
        let parts = rooms_named(&code_of(code), depth).into_iter();
        parts
            .map(|(room, part)| [room, part.unwrap_or_default()].join("/"))
            .collect()
    };
    assert_eq!(named("use crate::document::Layer;", 2), ["document/Layer"]);
    assert_eq!(
        named("use crate::{\n    engine::{self, job},\n    ui,\n};", 2),
        ["engine/", "ui/"]
    );
    assert_eq!(
        named("let x = crate::gpu::share::publish(&y);", 2),
        ["gpu/share"]
    );
    assert_eq!(named("use super::super::nn::Linear;", 2), ["nn/Linear"]);
    assert!(named("use super::super::parts::Linear;", 3).is_empty());
    let parts: Vec<_> =
        parts_named("use crate::gpu; gpu::adapters(); x::gpu::no();", "gpu").collect();
    assert_eq!(parts, ["adapters"]);
    assert!(named("// crate::ui\n/* crate::ui */ let s = \"crate::ui\";", 2).is_empty());
    assert_eq!(
        named("let q = '\"'; use crate::ui; let r = '\"';", 2),
        ["ui/"]
    );
}

#[test]
fn the_reader_sees_every_way_of_naming_a_crate() {
    let named = |code: &str| crates_named(&code_of(code)).into_iter().collect::<Vec<_>>();
    assert_eq!(named("use burn::tensor::Tensor;"), ["burn"]);
    assert_eq!(named("fn f(ui: &mut egui::Ui) {}"), ["egui"]);
    assert_eq!(named("use eframe::wgpu;"), ["wgpu"]);
    assert_eq!(named("use eframe::egui_wgpu::RenderState;"), ["egui_wgpu"]);
    assert_eq!(named("impl eframe::App for X {}"), ["eframe"]);
    assert!(named("use crate::wgpu::x; let burn = 3; // burn::x").is_empty());
}
