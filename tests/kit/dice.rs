//! Random numbers that are the same each time for one seed (splitmix64).

#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A place in a list of so many.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("an index fits")
    }

    /// At least `least` and less than `bound`.
    pub fn between(&mut self, least: u64, bound: u64) -> u64 {
        least + self.below(bound - least)
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.index(from.len())]
    }

    /// A JSON number as text, in any of the forms that JSON allows.
    pub fn number(&mut self) -> String {
        let sign = if self.once_in(6) { "-" } else { "" };
        let digits = u32::try_from(self.below(9)).expect("small");
        let whole = self.below(10_u64.pow(digits));
        let mut text = format!("{sign}{whole}");
        if !self.once_in(3) {
            text.push('.');
            for _ in 0..=self.below(10) {
                text.push(char::from(
                    b"0123456789000"[usize::try_from(self.below(13)).expect("small")],
                ));
            }
        }
        if self.once_in(4) {
            text.push_str(self.pick(&["e", "E"]));
            text.push_str(self.pick(&["", "+", "-"]));
            text.push_str(&self.below(12).to_string());
        }
        text
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let place = usize::try_from(self.below(last as u64 + 1)).expect("small");
            items.swap(last, place);
        }
    }
}
