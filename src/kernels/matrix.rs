//! Matrices in slices, and a safe front for the `gemm` crate.

use std::marker::PhantomData;
use std::ops::Range;

use gemm::Parallelism;

/// A read-only matrix in a slice, with any strides.
#[derive(Clone, Copy)]
pub struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Mat<'a> {
    /// `rows × cols`, one row after the other.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// `rows × cols`, the rows `row_stride` values apart.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= data.len());
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride: 1,
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The values of a row, where they lie side by side.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert!(row < self.rows && self.col_stride == 1, "no such row");
        &self.data[row * self.row_stride..][..self.cols]
    }

    /// Some of the rows.
    pub fn sub_rows(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        let skipped = (rows.start * self.row_stride).min(self.data.len());
        Self {
            data: &self.data[skipped..],
            rows: rows.len(),
            ..self
        }
    }

    /// Some of the columns.
    pub fn sub_columns(self, columns: Range<usize>) -> Self {
        self.transposed().sub_rows(columns).transposed()
    }

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix that is written: rows of values side by side, `row_stride` apart.
///
/// It can be cut into parts that interleave in memory (the heads of an
/// attention, the row tiles of a convolution), one for each of several threads.
/// That no slice can do, so the matrix holds a pointer.
///
/// # Soundness
/// A matrix owns the places of its rows and nothing between them. They come from
/// one exclusive borrow, inside of which [`Self::strided`] checks that they lie;
/// a cut gives every place to one part only, and takes the matrix away. A slice
/// is made of one row at a time, never of the rows and what lies between, so two
/// slices that are used at once never have a place in common. Miri agrees, on this
/// file and on small cases of the convolutions, products and attentions that use it.
pub struct MatMut<'a> {
    start: *mut f32,
    rows: usize,
    cols: usize,
    row_stride: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

#[allow(unsafe_code)]
// SAFETY: a matrix is the only one that reaches its places, as `&mut [f32]` is,
// which may be sent too.
unsafe impl Send for MatMut<'_> {}

impl<'a> MatMut<'a> {
    /// `rows × cols`, one row after the other.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// `rows × cols`, the rows `row_stride` values apart.
    pub fn strided(data: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(rows <= 1 || row_stride >= cols, "rows overlap");
        assert!(rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= data.len());
        Self {
            start: data.as_mut_ptr(),
            rows,
            cols,
            // Rows without values all begin at the start, which always exists.
            row_stride: if cols == 0 { 0 } else { row_stride },
            borrow: PhantomData,
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The values of a row.
    #[inline(always)]
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "row lies outside of its matrix");
        #[allow(unsafe_code)]
        // SAFETY: inside by the assertion; the row is this matrix's own, which
        // is borrowed for as long as the slice lives.
        unsafe {
            std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), self.cols)
        }
    }

    /// The same matrix for a while.
    pub fn reborrow(&mut self) -> MatMut<'_> {
        MatMut {
            borrow: PhantomData,
            ..*self
        }
    }

    /// All rows, one by one.
    pub fn into_rows(self) -> impl Iterator<Item = &'a mut [f32]> {
        (0..self.rows).map(move |row| {
            #[allow(unsafe_code)]
            // SAFETY: as in `row`; each row is given away once, and the matrix is gone.
            unsafe {
                std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), self.cols)
            }
        })
    }

    /// The rows before `row`, and the others.
    pub fn split_rows(self, row: usize) -> (Self, Self) {
        assert!(row <= self.rows, "row lies outside of its matrix");
        let skipped = if row < self.rows {
            row * self.row_stride
        } else {
            0
        };
        #[allow(unsafe_code)]
        // SAFETY: the first value of a row that exists, or the start.
        let start = unsafe { self.start.add(skipped) };
        let upper = Self { rows: row, ..self };
        let lower = Self {
            start,
            rows: self.rows - row,
            ..self
        };
        (upper, lower)
    }

    /// The columns before `column`, and the others.
    pub fn split_columns(self, column: usize) -> (Self, Self) {
        assert!(column <= self.cols, "column lies outside of its matrix");
        let skipped = if self.rows > 0 { column } else { 0 };
        #[allow(unsafe_code)]
        // SAFETY: within the first row or at its end.
        let start = unsafe { self.start.add(skipped) };
        let left = Self {
            cols: column,
            ..self
        };
        let right = Self {
            start,
            cols: self.cols - column,
            ..self
        };
        (left, right)
    }

    /// Cuts the matrix into parts of so many rows each.
    pub fn cut_rows(self, counts: impl IntoIterator<Item = usize>) -> Vec<Self> {
        cut(self, counts, Self::split_rows)
    }

    /// Cuts the matrix into parts of so many columns each.
    pub fn cut_columns(self, counts: impl IntoIterator<Item = usize>) -> Vec<Self> {
        cut(self, counts, Self::split_columns)
    }
}

fn cut<'a>(
    whole: MatMut<'a>,
    counts: impl IntoIterator<Item = usize>,
    split: impl Fn(MatMut<'a>, usize) -> (MatMut<'a>, MatMut<'a>),
) -> Vec<MatMut<'a>> {
    let mut rest = whole;
    let mut parts = Vec::new();
    for count in counts {
        let (part, left) = split(rest, count);
        parts.push(part);
        rest = left;
    }
    parts
}

/// What happens to the values that the product is written over.
#[derive(Clone, Copy, PartialEq)]
pub enum Into {
    /// They are overwritten.
    Overwrite,
    /// The product is added to them.
    Add,
}

/// `out = scale · a · b` or `out += scale · a · b`, on one thread.
///
/// # Panics
/// When the shapes do not fit: a bug of the caller.
pub fn multiply(mut out: MatMut<'_>, a: Mat<'_>, b: Mat<'_>, scale: f32, into: Into) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert_eq!(k, b.rows, "inner sizes differ");
    assert_eq!([out.rows, out.cols], [m, n], "product does not fit");
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if into == Into::Overwrite {
            (0..m).for_each(|row| out.row(row).fill(0.0));
        }
        return;
    }
    #[allow(unsafe_code)]
    // SAFETY: `Mat::strided` and `MatMut::strided` keep every index
    // `row · row_stride + col · col_stride` inside its slice; nobody else reaches
    // the places of `out`, and gemm touches no others.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.start,
            1,
            out.row_stride as isize,
            into == Into::Add,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small enough for Miri.
    #[test]
    fn parts_that_interleave_are_written_by_several_threads_at_once() {
        let mut values = vec![-1.0; 4 * 10];
        // The last column of ten belongs to nobody.
        let whole = MatMut::strided(&mut values, 4, 9, 10);
        let parts: Vec<_> = whole
            .cut_rows([1, 3])
            .into_iter()
            .flat_map(|rows| rows.cut_columns([4, 0, 5]))
            .collect();
        let barrier = std::sync::Barrier::new(parts.len());
        std::thread::scope(|scope| {
            for (number, mut part) in parts.into_iter().enumerate() {
                let barrier = &barrier;
                scope.spawn(move || {
                    for row in 0..part.rows() {
                        let values = part.row(row);
                        // All threads hold a slice at the same time.
                        if row == 0 {
                            barrier.wait();
                        }
                        values.fill(number as f32);
                    }
                });
            }
        });
        let row = |left: f32, right: f32| {
            let mut row = vec![left; 4];
            row.extend([right; 5]);
            row.push(-1.0);
            row
        };
        let expected = [row(0.0, 2.0), row(3.0, 5.0), row(3.0, 5.0), row(3.0, 5.0)];
        assert_eq!(values, expected.concat());
    }

    #[test]
    fn rows_are_given_away_once_each() {
        let mut values = vec![0.0; 2 * 5];
        let mut matrix = MatMut::strided(&mut values, 2, 3, 5);
        matrix.reborrow().row(1)[2] = 4.0;
        let rows: Vec<_> = matrix.into_rows().collect();
        for (number, row) in rows.into_iter().enumerate() {
            row[0] = number as f32 + 1.0;
        }
        let expected = [1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 4.0, 0.0, 0.0];
        assert_eq!(values, expected);
    }

    #[test]
    #[should_panic(expected = "rows overlap")]
    fn rows_that_overlap_are_refused() {
        MatMut::strided(&mut [0.0; 8], 2, 4, 3);
    }

    #[test]
    fn a_product_is_written_between_what_belongs_to_others() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 1.0, 1.0]);
        let (a, b) = (Mat::new(&a, 2, 2), Mat::new(&b, 2, 2));
        let mut out = vec![9.0; 5];
        let matrix = MatMut::strided(&mut out, 2, 2, 3);
        multiply(matrix, a, b.transposed(), 2.0, Into::Overwrite);
        assert_eq!(out, [2.0, 6.0, 9.0, 6.0, 14.0]);
        let none = Mat::new(&[], 2, 0);
        let matrix = MatMut::strided(&mut out, 2, 2, 3);
        multiply(matrix, none, none.transposed(), 1.0, Into::Overwrite);
        assert_eq!(out, [0.0, 0.0, 9.0, 0.0, 0.0]);
    }
}
