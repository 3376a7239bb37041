//! Window functions.

use std::f64::consts::TAU;

use crate::config::Window;

/// The window's values for a frame of `length` samples, at least 2.
pub fn window(kind: Window, length: usize) -> Vec<f64> {
    let period = match kind {
        Window::HammingPeriodic | Window::HannPeriodic => length,
        _ => length - 1,
    };
    let value = |n: usize| {
        let cosine = (TAU * n as f64 / period as f64).cos();
        match kind {
            Window::Hamming | Window::HammingPeriodic => 0.54 - 0.46 * cosine,
            Window::Hann | Window::HannPeriodic => 0.5 - 0.5 * cosine,
            Window::Povey => (0.5 - 0.5 * cosine).max(0.0).powf(0.85),
            Window::Rectangular => 1.0,
        }
    };
    (0..length).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symmetric_windows_are_symmetric_and_periodic_ones_are_one_point_longer() {
        for kind in [Window::Hamming, Window::Hann, Window::Povey] {
            let values = window(kind, 25);
            assert!(values.iter().zip(values.iter().rev()).all(|(a, b)| (a - b).abs() < 1e-12), "{kind:?}");
        }
        for (periodic, symmetric) in
            [(Window::HannPeriodic, Window::Hann), (Window::HammingPeriodic, Window::Hamming)]
        {
            assert_eq!(window(periodic, 24), window(symmetric, 25)[..24]);
        }
    }

    #[test]
    fn ends_and_middle_have_the_known_values() {
        let ends = |kind| (window(kind, 5)[0], window(kind, 5)[2]);
        assert!((ends(Window::Hamming).0 - 0.08).abs() < 1e-12);
        assert!(ends(Window::Povey).0.abs() < 1e-12);
        for kind in [Window::Hamming, Window::Hann, Window::Povey, Window::Rectangular] {
            assert!((ends(kind).1 - 1.0).abs() < 1e-12, "{kind:?}");
        }
    }
}
