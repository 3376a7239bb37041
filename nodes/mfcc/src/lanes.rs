//! Sums in a fixed number of lanes, which the compiler turns into vector instructions without changing their order.

/// Lanes of a sum; buffers that enter [`dot`] have a multiple of it as their length.
pub const LANES: usize = 8;

/// Sum of products. Both slices have the same length, a multiple of [`LANES`].
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    total(sums)
}

/// Sum of `term` over all values.
pub fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += term(value);
        }
    }
    total(sums) + rest.iter().map(|&value| term(value)).sum::<f32>()
}

fn total([a, b, c, d, e, f, g, h]: [f32; LANES]) -> f32 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_cover_every_value() {
        let ramp: Vec<f32> = (1..=21).map(|x| x as f32).collect();
        assert_eq!(sum(&ramp, |x| x), 231.0);
        assert_eq!(sum(&ramp, |x| x * x), 3311.0);
        assert_eq!(dot(&ramp[..16], &ramp[..16]), 1496.0);
    }
}
