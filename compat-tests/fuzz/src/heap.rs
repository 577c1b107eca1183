//! What an input may cost in memory.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Bytes of heap for each byte of input. The worst honest case is a vector of empty strings: four bytes of input are a
/// `String` of 24 bytes, and a growing vector holds its old and its new half at once.
const BYTES_PER_BYTE: usize = 32;
/// Bytes of heap that need no input.
const BYTES_FREE: usize = 64 * 1024;

/// Runs `work` and asserts that its memory stays in proportion to its input.
///
/// Other threads would disturb the count, so whoever replays inputs does it in one thread.
pub(crate) fn in_proportion<T>(input: &[u8], work: impl FnOnce() -> T) -> T {
    in_proportion_beside(BYTES_FREE, input, work)
}

/// The same for work that needs so many bytes of heap beside its input.
pub(crate) fn in_proportion_beside<T>(bytes_free: usize, input: &[u8], work: impl FnOnce() -> T) -> T {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let result = work();
    let used = HEAP.peak_usage().saturating_sub(before);
    let allowed = input.len() * BYTES_PER_BYTE + bytes_free;
    assert!(used <= allowed, "{} bytes of input took {used} bytes of heap", input.len());
    result
}
