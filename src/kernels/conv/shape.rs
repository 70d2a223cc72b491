//! The sizes of a convolution.

/// Sizes of a convolution without groups or dilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Pictures.
    pub batch: usize,
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step between patches, down and across.
    pub stride: [usize; 2],
    /// Zeros added above and to the left.
    pub padding: [usize; 2],
    /// Zeros added below and to the right.
    pub padding_after: [usize; 2],
}

impl ConvShape {
    /// Height and width of the output.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let padded = self.input[axis] + self.padding[axis] + self.padding_after[axis];
            (padded - self.kernel[axis]) / self.stride[axis] + 1
        })
    }

    /// Values of a patch.
    pub fn patch_len(&self) -> usize {
        self.channels_in * self.kernel[0] * self.kernel[1]
    }

    /// Pixels of the input.
    pub fn area_in(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Pixels of the output.
    pub fn area_out(&self) -> usize {
        let [height, width] = self.output();
        height * width
    }

    /// Whether a patch is a pixel: then nothing needs gathering.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1]
            && self.stride == [1, 1]
            && self.padding == [0, 0]
            && self.padding_after == [0, 0]
    }
}
