//! Debug information of a component, changed where it stands.

/// The same component with a change to a section of its debug information, which keeps its length.
pub fn with_section(component: &[u8], name: &str, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut changed = component.to_vec();
    let named = [&[name.len() as u8], name.as_bytes()].concat();
    let at = component
        .windows(named.len())
        .position(|bytes| bytes == named)
        .expect("the component has such a section");
    let size = size_before(&component[..at]);
    change(&mut changed[at + named.len()..at + size]);
    changed
}

/// The size of a custom section that goes on from here: what stands before is a zero, and then
/// the size in as many bytes as it takes.
fn size_before(before: &[u8]) -> usize {
    let head = before.iter().rposition(|byte| *byte == 0);
    let head = head.expect("a section has a kind");
    let digits = before[head + 1..].iter().rev();
    digits.fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f))
}

/// The same component with as many units as there is room for, all of which mean the same long
/// list of lines: to follow them takes gigabytes, and all of it is well-formed.
pub fn bomb(component: &[u8]) -> Vec<u8> {
    // A unit has no children, and says where its lines are and which code is its.
    let kind = [1, 0x11, 0, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0, 0];
    let unit = [
        20, 0, 0, 0, 4, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0x0f, 0,
    ];
    let changed = with_section(component, ".debug_abbrev", |bytes| {
        bytes[..kind.len()].copy_from_slice(&kind);
    });
    let changed = with_section(&changed, ".debug_info", |bytes| {
        let (units, rest) = bytes.as_chunks_mut();
        units.fill(unit);
        rest.fill(0);
        // What is left over is the last one's.
        let last = units.last_mut().expect("there is room for one");
        last[0] += rest.len() as u8;
    });
    with_section(&changed, ".debug_line", |bytes| {
        let length = (bytes.len() - 4) as u32;
        // Each further byte is one byte of code and one line more. No file has a name.
        let head = [
            4, 0, 17, 0, 0, 0, 1, 1, 1, 1, 1, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0,
        ];
        bytes.fill(11);
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..4 + head.len()].copy_from_slice(&head);
        let end = bytes.len() - 3;
        bytes[end..].copy_from_slice(&[0, 1, 1]);
    })
}
