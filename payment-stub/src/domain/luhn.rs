//! The check digit of card numbers (ISO/IEC 7812-1).

/// Whether the last of `digits`, each from 0 to 9, is the check digit of those before it.
#[must_use]
pub fn holds(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let weighed = digits.iter().rev().enumerate().map(|(place, &digit)| {
        u32::from(if place.is_multiple_of(2) { digit } else { doubled(digit) })
    });
    weighed.sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prop_assert, proptest};

    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn the_textbook_number_holds_and_its_neighbours_do_not() {
        assert!(holds(&digits("79927398713")));
        for wrong in 0..9 {
            let last = if wrong >= 3 { wrong + 1 } else { wrong };
            assert!(!holds(&digits(&format!("7992739871{last}"))), "{last}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_digit_never_passes(number in vec(0u8..10, 11..18), place in 0usize..11, add in 1u8..10) {
            let check = (0..10).find(|&check| holds(&[&number[..], &[check]].concat())).unwrap();
            let mut wrong = [&number[..], &[check]].concat();
            wrong[place] = (wrong[place] + add) % 10;
            prop_assert!(!holds(&wrong));
        }
    }
}
