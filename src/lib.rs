//! Velatura, an image studio for latent diffusion models.
//!
//! # The rooms
//!
//! From the bottom up: a room uses only rooms above it in this list.
//! `tests/layering.rs` says which may use which.
//!
//! - [`geometry`]: points, rectangles and the view of the canvas.
//! - [`folders`]: where models, pictures and settings lie on this computer.
//! - [`files`]: files that appear whole or not at all, and zip archives of strangers.
//! - [`icons`]: the icons of the window, by name.
//! - [`pixels`]: between pictures and the numbers that networks see of them; connected
//!   regions of label maps.
//! - [`random`]: streams of random numbers, and seeds nobody can foresee.
//! - [`recipe`]: the descriptions of jobs, and their forms inside picture files.
//! - [`frame`]: the part of a picture that a model sees and paints.
//! - [`control`]: what networks that control the painting see of pictures.
//! - [`exchange`]: boxes and label maps in the files of others.
//! - [`scenes`]: storybook scenes, endless captioned pictures to train on.
//! - [`kernels`]: fast arithmetic for the processor, under the tensor library.
//! - [`nn`]: the layers that networks are made of.
//! - [`model`]: the networks, and the folders they are read from and written to.
//! - [`diffusion`]: noise schedules, samplers, guidance: from a prompt to a picture.
//! - [`train`]: from pictures to a model.
//! - [`evaluate`]: whether a model does what it is told, in figures.
//! - [`document`]: layers, masks, edits and their history.
//! - [`project`]: documents in files of their own, and copies that survive a crash.
//! - [`tools`]: what the pointer does on the canvas.
//! - [`gpu`]: the graphics device, shared by the window and the tensor library.
//! - [`engine`]: the thread that does jobs, and the words to talk with it.
//! - [`app`]: the state of the studio and the commands that change it.
//! - [`ui`]: what the window shows.
//! - [`window`]: the program with a window, frame by frame.
//! - [`cli`]: the same work without a window.
//!
//! # The way of a picture
//!
//! A snapshot of the [`document`] becomes a [`recipe::GenerateSpec`]. The
//! [`engine`] queues it and hands it to [`diffusion`], which asks the networks
//! of [`model`] step by step; every step comes back as a frame, and the end as
//! an event. The [`app`] turns it into a new layer of the document that it was
//! described from, or, where that was closed meanwhile, into a file with its
//! recipe inside. The [`cli`] enters at the spec and leaves at the file: the same
//! road, without a window.

pub mod app;
pub mod cli;
pub mod control;
pub mod diffusion;
pub mod document;
pub mod engine;
pub mod evaluate;
pub mod exchange;
pub mod files;
pub mod folders;
pub mod frame;
pub mod geometry;
pub mod gpu;
pub mod icons;
pub mod kernels;
pub mod model;
pub mod nn;
pub mod pixels;
pub mod project;
pub mod random;
pub mod recipe;
pub mod scenes;
pub mod tools;
pub mod train;
pub mod ui;
pub mod window;
