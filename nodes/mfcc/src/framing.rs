//! Cuts a stream of samples into overlapping frames.

use crate::config::{Config, Edges};

/// Holds back the samples that later frames need, and no more.
pub struct Framer {
    length: usize,
    hop: usize,
    edges: Edges,
    padding: usize,
    /// Left padding once it is known, then samples; old ones are dropped at each push.
    buffer: Vec<f32>,
    /// Where the next frame begins in `buffer`; beyond its end if the hop is longer than what has come.
    next: usize,
    /// The left edge is in `buffer`.
    padded: bool,
}

impl Framer {
    pub fn new(config: &Config) -> Self {
        Self {
            length: config.frame_length,
            hop: config.hop,
            edges: config.edges,
            padding: config.padding(),
            buffer: Vec::new(),
            next: 0,
            padded: false,
        }
    }

    pub fn reset(&mut self) {
        self.buffer.clear();
        self.next = 0;
        self.padded = false;
    }

    pub fn push(&mut self, samples: &[f32]) {
        if samples.is_empty() {
            return;
        }
        self.drop_old();
        match self.edges {
            Edges::Zero if !self.padded => self.buffer.resize(self.padding, 0.0),
            _ => {}
        }
        self.buffer.extend_from_slice(samples);
        match self.edges {
            Edges::Snip | Edges::Zero => self.padded = true,
            Edges::Reflect if !self.padded && self.buffer.len() > self.padding => {
                self.mirror(self.padding, 0);
                self.padded = true;
            }
            Edges::Reflect => {}
        }
    }

    /// The next frame, once all its samples are there.
    pub fn next_frame(&mut self) -> Option<&[f32]> {
        if !self.padded {
            return None;
        }
        let frame = self.buffer.get(self.next..self.next + self.length)?;
        self.next += self.hop;
        Some(frame)
    }

    /// Adds the right edge: the frames that [`Self::next_frame`] then gives are the last.
    pub fn pad_end(&mut self) {
        match self.edges {
            _ if self.buffer.is_empty() => {}
            Edges::Snip => {}
            Edges::Zero => self.buffer.resize(self.buffer.len() + self.padding, 0.0),
            Edges::Reflect if self.padded => self.mirror(0, self.padding),
            Edges::Reflect => {
                self.mirror(self.padding, self.padding);
                self.padded = true;
            }
        }
    }

    /// Extends the buffer on both sides by mirroring it at its first and last sample, again and again if it is shorter
    /// than what is asked for (as numpy's `pad` does).
    fn mirror(&mut self, left: usize, right: usize) {
        let length = self.buffer.len();
        let period = (2 * (length - 1)).max(1);
        let source = |position: usize, origin: usize| {
            // Distance from the first sample along the zigzag.
            let along = (position + period * origin.div_ceil(period) - origin) % period;
            along.min(period - along).min(length - 1)
        };
        for place in (0..left).chain(left + length..left + length + right) {
            let value = self.buffer.get(source(place, left)).copied().unwrap_or_default();
            self.buffer.push(value);
        }
        // Samples, left, right becomes left, samples, right.
        if let Some(head) = self.buffer.get_mut(..length + left) {
            head.rotate_right(left);
        }
    }

    fn drop_old(&mut self) {
        // The right edge mirrors this many samples.
        let kept_for_end = if self.edges == Edges::Reflect { self.padding + 1 } else { 0 };
        let old = self.next.min(self.buffer.len().saturating_sub(kept_for_end));
        self.buffer.drain(..old);
        self.next -= old;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    fn frames(edges: Edges, length: usize, hop: usize, pieces: &[&[f32]]) -> Vec<Vec<f32>> {
        let mut framer =
            Framer::new(&Config { edges, frame_length: length, hop, ..Preset::Librosa.config() });
        let mut frames = Vec::new();
        for piece in pieces {
            framer.push(piece);
            while let Some(frame) = framer.next_frame() {
                frames.push(frame.to_vec());
            }
        }
        framer.pad_end();
        while let Some(frame) = framer.next_frame() {
            frames.push(frame.to_vec());
        }
        frames
    }

    #[test]
    fn whole_frames_alone_when_edges_are_snipped() {
        assert_eq!(
            frames(Edges::Snip, 4, 2, &[&[1., 2., 3.], &[4., 5., 6., 7.]]),
            [[1., 2., 3., 4.], [3., 4., 5., 6.]]
        );
        assert!(frames(Edges::Snip, 4, 2, &[&[1., 2., 3.]]).is_empty());
    }

    #[test]
    fn a_hop_longer_than_the_frame_skips_samples() {
        let signal: Vec<f32> = (0..10).map(|x| x as f32).collect();
        let pieces: Vec<&[f32]> = signal.chunks(1).collect();
        assert_eq!(frames(Edges::Snip, 2, 5, &pieces), [[0., 1.], [5., 6.]]);
    }

    #[test]
    fn centred_frames_are_extended_by_zeros() {
        assert_eq!(frames(Edges::Zero, 4, 2, &[&[1., 2., 3.]]), [[0., 0., 1., 2.], [1., 2., 3., 0.]]);
        assert!(frames(Edges::Zero, 4, 2, &[]).is_empty());
    }

    #[test]
    fn centred_frames_are_extended_by_the_mirrored_signal() {
        let expected = [[3., 2., 1., 2.], [1., 2., 3., 4.], [3., 4., 3., 2.]];
        assert_eq!(frames(Edges::Reflect, 4, 2, &[&[1., 2., 3., 4.]]), expected);
        assert_eq!(frames(Edges::Reflect, 4, 2, &[&[1.], &[2.], &[3.], &[4.]]), expected);
    }

    #[test]
    fn the_last_frame_mirrors_a_sample_from_before_its_own_start() {
        let signal = [0., 1., 2., 3., 4., 5.];
        let pieces: Vec<&[f32]> = signal.chunks(1).collect();
        let expected = [[2., 1., 0., 1.], [1., 2., 3., 4.], [4., 5., 4., 3.]];
        assert_eq!(frames(Edges::Reflect, 4, 3, &pieces), expected);
    }

    #[test]
    fn a_signal_shorter_than_the_edge_is_mirrored_again() {
        // numpy.pad([1, 2], 4, mode="reflect")
        assert_eq!(frames(Edges::Reflect, 8, 1, &[&[1., 2.]])[0], [1., 2., 1., 2., 1., 2., 1., 2.]);
        // numpy.pad([1, 2, 3], 4, mode="reflect")
        assert_eq!(frames(Edges::Reflect, 8, 1, &[&[1., 2., 3.]])[0], [1., 2., 3., 2., 1., 2., 3., 2.]);
        assert_eq!(frames(Edges::Reflect, 4, 1, &[&[5.]])[0], [5.; 4]);
    }
}
