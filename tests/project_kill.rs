//! The program is killed while it paints, generates and saves: what it leaves on
//! the disk opens, and lacks at most the last half minute of work.
//!
//! The test starts itself again as the program that is killed: everything of the
//! studio but its window, with a clock that goes on with each stroke, however long a busy
//! machine takes for it.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

#[path = "support/fake_engine.rs"]
mod fake_engine;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fake_engine::{FakeEngine, FakePace};
use velatura::app::form::FormChange;
use velatura::app::settings::Settings;
use velatura::app::{AppState, Background, Command, Core};
use velatura::document::Document;
use velatura::engine::{EngineHandle, Waker};
use velatura::geometry::CanvasPoint;
use velatura::project::recovery::{Recovery, open_left_behind};
use velatura::project::{ReadLimits, open_project};
use velatura::recipe::param::Value;
use velatura::tools::{PointerEvent, PointerPhase};

/// How often the program is killed.
const KILLS: u64 = 20;

/// Most work that may be missing, in seconds of the program's clock.
const MOST_MISSING_SECS: f64 = 30.0;

/// Seconds of the program's clock from one stroke to the next: some ten times what they
/// take.
const SECS_A_STROKE: f64 = 0.05;

/// Strokes before the program is killed: at least, and how many more it may be.
const STROKES: [u64; 2] = [80, 740];

/// Names the folder of the program that is killed.
const FOLDER_VARIABLE: &str = "VELATURA_KILLED_FOLDER";

const SIDE_PX: u32 = 256;

/// Where the stroke of that number leaves a dot.
fn place_of(stroke: u32) -> CanvasPoint {
    let across = SIDE_PX / 4;
    let [column, row] = [stroke % across, stroke / across % across];
    CanvasPoint::new(column as f32 * 4.0 + 2.0, row as f32 * 4.0 + 2.0)
}

fn has_stroke(document: &Document, stroke: u32) -> bool {
    let CanvasPoint { x, y } = place_of(stroke);
    let masks = document.layers().iter().filter_map(|layer| layer.mask());
    masks
        .into_iter()
        .any(|mask| mask.pixel(x as i32, y as i32) > 0)
}

/// Paints, generates and saves until it is killed, and says each stroke with its time.
fn work(folder: &Path) {
    let waker: Waker = Arc::new(|| {});
    let engine = FakeEngine::factory(FakePace::Every(Duration::from_millis(2)));
    let mut core = Core::new(
        AppState::new(Settings::default(), None),
        EngineHandle::spawn(engine, Arc::clone(&waker)).unwrap(),
        Background::new(waker),
    );
    core.start_recovery(folder.join("recovery"));
    core.dispatch(Command::New {
        size_px: [SIDE_PX; 2],
    });
    core.dispatch(FormChange::Prompt("hills".to_owned()).into());
    core.dispatch(Command::SetToolOption {
        id: "size",
        value: Value::Real(3.0),
    });
    let mut now_secs = 0.0;
    for stroke in 0.. {
        let event = |phase| PointerEvent::new(phase, place_of(stroke));
        let [press, release] = [PointerPhase::Press, PointerPhase::Release].map(event);
        core.dispatch(Command::Pointer(vec![press, release]));
        println!("stroke {stroke} {now_secs}");
        std::io::stdout().flush().unwrap();
        if stroke % 41 == 40 {
            core.dispatch(Command::Generate);
        }
        match stroke {
            120 => core.dispatch(Command::SaveTo(folder.join("saved.velatura"))),
            // A picture lacks layers and mask: what it is of stays unsaved.
            _ if stroke % 50 == 49 => core.dispatch(Command::SaveTo(folder.join("flat.png"))),
            _ => {}
        }
        core.take_reports();
        // While a copy is written the clock stands still: in its haste a slow disk
        // would be ten times as slow.
        if core.tend_recovery(now_secs).is_some() {
            now_secs += SECS_A_STROKE;
        }
        std::thread::sleep(Duration::from_millis(4));
    }
}

#[test]
#[ignore = "the program that the test below kills"]
fn killed_program() {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        // Whoever was to kill it may be no more.
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(600));
            std::process::abort();
        });
        work(&PathBuf::from(folder));
    }
}

/// Strokes that the program said, with their times, until it was killed, which it was
/// after so many.
fn killed_after(folder: &Path, strokes: u64) -> Vec<(u32, f64)> {
    let mut program = Process::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "killed_program", "--nocapture"])
        .env(FOLDER_VARIABLE, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(program.stdout.take().unwrap());
    let (painted, painting) = crossbeam_channel::unbounded();
    let said = std::thread::spawn(move || {
        let lines = output.lines().map_while(Result::ok);
        let strokes = lines.filter_map(|line| {
            let mut words = line.split(' ').skip_while(|word| *word != "stroke").skip(1);
            let number = words.next()?.parse().ok()?;
            Some((number, words.next()?.parse().ok()?))
        });
        let strokes = strokes.inspect(|_| painted.send(()).unwrap_or_default());
        strokes.collect()
    });
    (0..strokes).for_each(|_| painting.recv().expect("it paints"));
    program.kill().unwrap();
    program.wait().unwrap();
    said.join().unwrap()
}

#[test]
fn what_a_killed_program_leaves_opens_and_lacks_little() {
    let mut recovered = 0;
    for kill in 0..KILLS {
        let folder = tempfile::tempdir().unwrap();
        let [least, more] = STROKES;
        let strokes = killed_after(folder.path(), least + kill * 197 % more);
        let (last, end_secs) = *strokes.last().expect("it painted");

        let mut next = Recovery::begin(&folder.path().join("recovery")).unwrap();
        let copies = next.left_behind();
        assert!(copies.len() <= 1, "{copies:?}");
        let mut found: Vec<Document> = Vec::new();
        for copy in &copies {
            let opened = open_left_behind(&copy.copy, ReadLimits::default()).unwrap();
            opened.project.document.validate_invariants().unwrap();
            found.push(opened.project.document);
            next.give_up(&copy.copy);
            recovered += 1;
        }
        next.end();
        let saved = folder.path().join("saved.velatura");
        if saved.exists() {
            found.push(
                open_project(&saved, ReadLimits::default())
                    .unwrap()
                    .project
                    .document,
            );
        }
        // What was painted in the last moments may be missing, nothing else.
        let due = strokes
            .iter()
            .filter(|stroke| stroke.1 <= end_secs - MOST_MISSING_SECS);
        let due: Vec<u32> = due.map(|stroke| stroke.0).collect();
        let whole = |document: &Document| due.iter().all(|stroke| has_stroke(document, *stroke));
        assert!(
            due.is_empty() || found.iter().any(whole),
            "kill {kill}: of {last} strokes in {end_secs} s, {} were due",
            due.len()
        );
    }
    assert!(recovered > KILLS / 4, "{recovered} of {KILLS} left a copy");
}
