//! The parts of the window, one per file.

mod box_concerns;
mod box_table;
mod canvas_panel;
mod class_list;
mod classes;
mod conditions;
mod finish;
mod following;
mod frame_options;
mod framing;
mod generate;
mod generate_button;
mod large;
mod layers;
mod live;
mod menu_bar;
mod model;
mod notices;
mod painted_class;
mod status_bar;
mod tool_options;
mod tool_strip;
mod trajectory;

pub use box_table::{BoxTable, box_table_ui, shows_box_table};
pub use canvas_panel::canvas_panel_ui;
pub use class_list::ClassQuery;
pub use classes::{CLASSES_WIDTH, ClassListUi, classes_ui, shows_classes};
pub use generate::generate_ui;
pub use generate_button::generate_button_ui;
pub use layers::{LayerThumbnails, layers_ui};
pub use menu_bar::menu_bar_ui;
pub use notices::notices_ui;
pub use status_bar::status_bar_ui;
pub use tool_options::tool_options_ui;
pub use tool_strip::tool_strip_ui;
pub use trajectory::trajectory_ui;
