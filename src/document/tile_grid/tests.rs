use super::*;

#[test]
fn a_resized_grid_shares_what_it_keeps_whole() {
    let value = |x: u32, y: u32| (x * 7 + y * 13) as u8 | 1;
    let grid = TileGrid::from_fn([700, 600], value);
    for size_px in [[700, 600], [900, 1000], [512, 300], [300, 900], [1, 1]] {
        let resized = grid.resized(size_px);
        assert!(resized.is_valid(), "{size_px:?}");
        let expected = TileGrid::from_fn(size_px, |x, y| grid.pixel(x as i32, y as i32));
        assert_eq!(resized, expected, "{size_px:?}");
        let first = TileIndex { column: 0, row: 0 };
        let is_shared = resized
            .tile(first)
            .zip(grid.tile(first))
            .is_some_and(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(is_shared, size_px[0] >= 256 && size_px[1] >= 256);
    }
}

#[test]
fn a_grid_that_is_placed_is_cut_at_the_edges() {
    let value = |x: u32, y: u32| (x * 7 + y * 13) as u8 | 1;
    let grid = TileGrid::from_fn([300, 270], value);
    for (size_px, at) in [
        ([700, 600], [256, 256]),
        ([600, 700], [17, 301]),
        ([310, 280], [-20, -5]),
        ([64, 64], [60, -265]),
        ([64, 64], [-400, 0]),
    ] {
        let placed = grid.placed(size_px, at);
        assert!(placed.is_valid());
        let expected = TileGrid::from_fn(size_px, |x, y| {
            grid.pixel(x as i32 - at[0], y as i32 - at[1])
        });
        assert_eq!(placed, expected, "{size_px:?} {at:?}");
    }
}

#[test]
fn a_picture_becomes_tiles_as_if_pixel_by_pixel() {
    let image = RgbaImage::from_fn(300, 257, |x, y| {
        image::Rgba([x as u8, y as u8, 7, (x + y) as u8])
    });
    let grid = TileGrid::from_image(&image);
    assert_eq!(
        grid,
        TileGrid::from_fn([300, 257], |x, y| image.get_pixel(x, y).0)
    );
    let mask = GrayImage::from_fn(300, 257, |x, _| image::Luma([u8::from(x >= 290)]));
    let inside = TileGrid::from_image_inside(&image, &mask);
    assert_eq!(inside.pixel(289, 3), [0; 4]);
    assert_eq!(inside.pixel(290, 3), grid.pixel(290, 3));
    assert!(inside.tile(TileIndex { column: 0, row: 0 }).is_none());
}

#[test]
fn what_was_blank_is_looked_at_again_after_writing() {
    let mut tile = Tile::<u8>::blank();
    assert!(tile.is_blank());
    tile.row_mut(255)[255] = 1;
    assert!(!tile.is_blank());
    tile.pixels_mut().fill(0);
    assert!(tile.is_blank());
}

#[test]
fn writing_a_clone_leaves_the_original_alone() {
    let mut a = TileGrid::<u8>::new([300, 300]);
    a.tile_mut(TileIndex { column: 1, row: 1 }).row_mut(3)[4] = 9;
    let mut b = a.clone();
    b.tile_mut(TileIndex { column: 1, row: 1 }).row_mut(3)[4] = 7;
    assert_eq!(a.pixel(260, 259), 9);
    assert_eq!(b.pixel(260, 259), 7);
}

#[test]
fn blank_parts_take_no_memory() {
    let grid = TileGrid::from_fn([600, 600], |x, y| u8::from(x == 599 && y == 599));
    assert_eq!(grid.size_bytes(), Tile::<u8>::size_bytes());
    assert_eq!(
        grid.content_bounds(),
        CanvasRect::from_min_size([599, 599], [1, 1])
    );
}

#[test]
fn pixels_go_in_and_come_out() {
    let value = |x: u32, y: u32| [x as u8, y as u8, (x / 256) as u8, 255];
    let grid = TileGrid::from_fn([513, 257], value);
    let pixels = grid.to_pixels();
    for (x, y) in [(0, 0), (255, 255), (256, 256), (512, 256), (300, 12)] {
        assert_eq!(pixels[y as usize * 513 + x as usize], value(x, y));
        assert_eq!(grid.pixel(x as i32, y as i32), value(x, y));
    }
    assert_eq!(grid.pixel(-1, 0), [0; 4]);
    assert_eq!(grid.pixel(513, 0), [0; 4]);
    assert!(grid.is_valid());
}

#[test]
fn a_rectangle_names_the_tiles_it_touches() {
    let grid = TileGrid::<u8>::new([1000, 1000]);
    let touched = |min, max| grid.indices_in(CanvasRect::from_min_max(min, max)).count();
    assert_eq!(touched([0, 0], [256, 256]), 1);
    assert_eq!(touched([255, 255], [257, 257]), 4);
    assert_eq!(touched([-50, -50], [0, 0]), 0);
    assert_eq!(touched([-50, -50], [5000, 5000]), 16);
    assert_eq!(touched([1000, 0], [1001, 1]), 0);
}

#[test]
fn a_written_but_blank_tile_equals_an_absent_one() {
    let mut a = TileGrid::<u8>::new([10, 10]);
    a.tile_mut(TileIndex { column: 0, row: 0 });
    assert_eq!(a, TileGrid::new([10, 10]));
}
