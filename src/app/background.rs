//! Work that the window must not wait for: dialogs, files, the clipboard.
//!
//! Each errand runs on a thread of its own and reports by a [`BackgroundEvent`].

use std::borrow::Cow;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker as TaskWaker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use image::RgbaImage;

use crate::engine::Waker;
use crate::recipe::{
    FoundRecipe, GenerateSpec, PaintedRecipe, PictureFormat, SaveOptions, open_picture,
    save_picture,
};

/// A dialog that ends sooner without a choice never opened: no hand is as fast.
const FASTEST_HAND: Duration = Duration::from_millis(250);

/// Makes a picture when it is needed, away from the window's thread.
pub type Painter = Box<dyn FnOnce() -> RgbaImage + Send>;

/// Describes a job when it is needed, away from the window's thread.
pub type Describer = Box<dyn FnOnce() -> GenerateSpec + Send>;

/// What a dialog was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickPurpose {
    /// A picture to open.
    OpenPicture,
    /// Where to save the picture.
    SavePicture,
    /// A model folder.
    ModelFolder,
    /// A folder of training pictures.
    TrainFolder,
    /// Where a trained model goes.
    TrainOutput,
}

/// What an errand reports.
#[derive(Debug)]
pub enum BackgroundEvent {
    /// The user chose a path in a dialog.
    Picked {
        /// What for.
        purpose: PickPurpose,
        /// The path; `None` when the dialog was closed.
        path: Option<PathBuf>,
    },
    /// The system has no file dialog.
    NoDialog {
        /// What for.
        purpose: PickPurpose,
    },
    /// A picture was read, from a file or the clipboard.
    Opened {
        /// The file.
        path: Option<PathBuf>,
        /// The picture.
        image: Arc<RgbaImage>,
        /// How it was painted, if the file tells.
        recipe: Option<Box<FoundRecipe>>,
    },
    /// The picture was saved.
    Saved {
        /// The file.
        path: PathBuf,
    },
    /// The picture is on the clipboard.
    Copied,
    /// A job with large pictures is described.
    Prepared(Box<GenerateSpec>),
    /// Something failed, as a sentence for the user.
    Failed(String),
}

enum ClipboardOrder {
    Copy(Painter),
    Paste,
}

/// Runs errands and collects their reports.
pub struct Background {
    sender: Sender<BackgroundEvent>,
    receiver: Receiver<BackgroundEvent>,
    clipboard: Option<Sender<ClipboardOrder>>,
    waker: Waker,
}

impl Background {
    /// A runner that calls `waker` after each report.
    pub fn new(waker: Waker) -> Self {
        let (sender, receiver) = unbounded();
        Self {
            sender,
            receiver,
            clipboard: None,
            waker,
        }
    }

    /// The next report, if there is one.
    pub fn poll(&self) -> Option<BackgroundEvent> {
        self.receiver.try_recv().ok()
    }

    /// Opens a dialog of the system.
    pub fn pick(&self, purpose: PickPurpose, folder: Option<&Path>, file_name: &str) {
        let mut dialog = rfd::AsyncFileDialog::new();
        if let Some(folder) = folder {
            dialog = dialog.set_directory(folder);
        }
        // The dialog is made on the window's thread, as macOS demands, and
        // waited for on another.
        match purpose {
            PickPurpose::OpenPicture => {
                let all: Vec<&str> = PictureFormat::ALL
                    .iter()
                    .flat_map(|format| format.extensions())
                    .copied()
                    .collect();
                let dialog = dialog
                    .set_title("Open a picture")
                    .add_filter("Pictures", &all);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::SavePicture => {
                let mut dialog = dialog.set_title("Save as").set_file_name(file_name);
                for format in PictureFormat::ALL {
                    dialog = dialog.add_filter(format.label(), format.extensions());
                }
                self.await_dialog(purpose, dialog.save_file());
            }
            PickPurpose::ModelFolder => {
                self.await_dialog(
                    purpose,
                    dialog.set_title("Open a model folder").pick_folder(),
                );
            }
            PickPurpose::TrainFolder => {
                let dialog = dialog.set_title("Choose a folder of pictures");
                self.await_dialog(purpose, dialog.pick_folder());
            }
            PickPurpose::TrainOutput => {
                let dialog = dialog.set_title("Choose where the model is saved");
                self.await_dialog(purpose, dialog.pick_folder());
            }
        }
    }

    fn await_dialog(
        &self,
        purpose: PickPurpose,
        choice: impl Future<Output = Option<rfd::FileHandle>> + Send + 'static,
    ) {
        self.spawn("dialog", move || {
            let start = Instant::now();
            match block_on(choice) {
                None if start.elapsed() < FASTEST_HAND => BackgroundEvent::NoDialog { purpose },
                choice => BackgroundEvent::Picked {
                    purpose,
                    path: choice.map(|handle| handle.path().to_path_buf()),
                },
            }
        });
    }

    /// Reads a picture file.
    pub fn open(&self, path: PathBuf) {
        self.spawn("open", move || match open_picture(&path) {
            Ok(opened) => BackgroundEvent::Opened {
                path: Some(path),
                image: Arc::new(opened.image),
                recipe: opened.recipe.map(Box::new),
            },
            Err(error) => BackgroundEvent::Failed(error.to_string()),
        });
    }

    /// Saves a picture, with its recipe if there is one.
    pub fn save(&self, path: PathBuf, paint: Painter, recipe: Option<PaintedRecipe>) {
        self.spawn("save", move || {
            match save_picture(&path, &paint(), recipe.as_ref(), &SaveOptions::default()) {
                Ok(()) => BackgroundEvent::Saved { path },
                Err(error) => BackgroundEvent::Failed(error.to_string()),
            }
        });
    }

    /// Describes a job.
    pub fn prepare(&self, describe: Describer) {
        self.spawn("prepare", move || {
            BackgroundEvent::Prepared(Box::new(describe()))
        });
    }

    /// Puts a picture on the clipboard.
    pub fn copy(&mut self, paint: Painter) {
        self.order_clipboard(ClipboardOrder::Copy(paint));
    }

    /// Fetches a picture from the clipboard.
    pub fn paste(&mut self) {
        self.order_clipboard(ClipboardOrder::Paste);
    }

    fn order_clipboard(&mut self, order: ClipboardOrder) {
        if self.clipboard.is_none() {
            self.clipboard = self.spawn_clipboard();
        }
        if let Some(clipboard) = &self.clipboard {
            // The thread ends only with this sender.
            clipboard.send(order).ok();
        }
    }

    /// On X11 and Wayland the program that copied serves what it copied, so one
    /// thread keeps the clipboard for as long as the program runs.
    fn spawn_clipboard(&self) -> Option<Sender<ClipboardOrder>> {
        let (orders, inbox) = unbounded::<ClipboardOrder>();
        let (sender, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let thread = std::thread::Builder::new()
            .name("clipboard".to_owned())
            .spawn(move || {
                let mut clipboard = None;
                for order in inbox {
                    let event = serve_clipboard(&mut clipboard, order);
                    sender
                        .send(event.unwrap_or_else(BackgroundEvent::Failed))
                        .ok();
                    waker();
                }
            });
        self.report_no_thread(thread.err());
        Some(orders)
    }

    fn spawn(&self, name: &str, work: impl FnOnce() -> BackgroundEvent + Send + 'static) {
        let (sender, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                sender.send(work()).ok();
                waker();
            });
        self.report_no_thread(thread.err());
    }

    fn report_no_thread(&self, error: Option<std::io::Error>) {
        if let Some(error) = error {
            let text = format!(
                "The system has no thread to spare ({error}); close other programs and try again"
            );
            self.sender.send(BackgroundEvent::Failed(text)).ok();
        }
    }
}

fn serve_clipboard(
    clipboard: &mut Option<arboard::Clipboard>,
    order: ClipboardOrder,
) -> Result<BackgroundEvent, String> {
    if clipboard.is_none() {
        let opened = arboard::Clipboard::new()
            .map_err(|error| format!("The clipboard cannot be reached: {error}"))?;
        *clipboard = Some(opened);
    }
    let Some(clipboard) = clipboard else {
        return Err("The clipboard cannot be reached".to_owned());
    };
    match order {
        ClipboardOrder::Copy(paint) => {
            let image = paint();
            let (width, height) = (image.width() as usize, image.height() as usize);
            let bytes = Cow::Owned(image.into_raw());
            clipboard
                .set_image(arboard::ImageData {
                    width,
                    height,
                    bytes,
                })
                .map_err(|error| format!("The picture could not be copied: {error}"))?;
            Ok(BackgroundEvent::Copied)
        }
        ClipboardOrder::Paste => {
            let found = clipboard
                .get_image()
                .map_err(|_| "There is no picture on the clipboard".to_owned())?;
            let size = (u32::try_from(found.width), u32::try_from(found.height));
            let image = match size {
                (Ok(width), Ok(height)) => {
                    RgbaImage::from_raw(width, height, found.bytes.into_owned())
                }
                _ => None,
            };
            let image =
                image.ok_or_else(|| "The picture on the clipboard is damaged".to_owned())?;
            Ok(BackgroundEvent::Opened {
                path: None,
                image: Arc::new(image),
                recipe: None,
            })
        }
    }
}

/// Waits for a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = TaskWaker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_picture_is_saved_and_opened_away_from_the_window() {
        let (woken, wakes) = unbounded();
        let background = Background::new(Arc::new(move || woken.send(()).unwrap_or_default()));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.png");
        let paint = || RgbaImage::from_pixel(3, 2, image::Rgba([1, 2, 3, 255]));
        background.save(path.clone(), Box::new(paint), None);
        wakes.recv_timeout(Duration::from_secs(10)).expect("a wake");
        assert!(matches!(
            background.poll(),
            Some(BackgroundEvent::Saved { .. })
        ));

        background.open(path);
        wakes.recv_timeout(Duration::from_secs(10)).expect("a wake");
        let Some(BackgroundEvent::Opened { image, .. }) = background.poll() else {
            panic!("no picture");
        };
        assert_eq!(*image, paint());

        background.open(folder.path().join("missing.png"));
        wakes.recv_timeout(Duration::from_secs(10)).expect("a wake");
        assert!(
            matches!(background.poll(), Some(BackgroundEvent::Failed(text)) if text.contains("missing.png"))
        );
    }

    #[test]
    fn a_future_is_waited_for() {
        let mut asked = 0;
        let value = block_on(std::future::poll_fn(move |context| {
            asked += 1;
            if asked == 3 {
                return Poll::Ready(asked);
            }
            let waker = context.waker().clone();
            std::thread::spawn(move || waker.wake());
            Poll::Pending
        }));
        assert_eq!(value, 3);
    }
}
