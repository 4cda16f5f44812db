//! As much of logarithm and exponential as sampling takes, in `core` alone.

/// Returns the natural logarithm of a positive, normal number.
pub(super) fn ln(number: f64) -> f64 {
    let bits = number.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    // From one to two.
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    let (ratio, mut sum) = ((mantissa - 1.0) / (mantissa + 1.0), 0.0);
    let mut power = ratio;
    for odd in [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0] {
        sum += power / odd;
        power *= ratio * ratio;
    }
    2.0 * sum + f64::from(exponent) * core::f64::consts::LN_2
}

/// Returns `1 - exp(-x)` of a number that is not negative.
pub(super) fn chance(x: f64) -> f64 {
    if x < 1e-3 {
        return x * (1.0 - x / 2.0 + x * x / 6.0);
    }
    if x > 40.0 {
        return 1.0;
    }
    let small = x / 1024.0;
    let mut power = 1.0 - small + small * small / 2.0 - small * small * small / 6.0;
    for _ in 0..10 {
        power *= power;
    }
    1.0 - power
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn both_are_what_the_standard_library_says() {
        let mut number = 1e-9_f64;
        while number < 1e12 {
            assert!((ln(number) - number.ln()).abs() < 1e-5, "{number}");
            let expected = -(-number).exp_m1();
            assert!((chance(number) - expected).abs() <= expected * 1e-6, "{number}");
            number *= 1.37;
        }
        assert_eq!((ln(1.0), chance(0.0)), (0.0, 0.0));
    }
}
