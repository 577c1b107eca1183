use super::input::PREFIX_LEN;

/// What telnet sends when its user interrupts it.
// zk: FourLetterCommands.telnetCloseCmd
pub const TELNET_INTERRUPT: [u8; PREFIX_LEN] = [0xff, 0xf4, 0xff, 0xfd];

/// The word with an argument: a trace mask of [`MASK_LEN`] bytes.
pub const SET_TRACE_MASK: [u8; PREFIX_LEN] = *b"stmk";

/// Length of the argument of [`SET_TRACE_MASK`].
pub const MASK_LEN: usize = 8;

/// The four-letter words that take the place of a first frame's length; any other four bytes are a length.
// zk: FourLetterCommands.cmd2String
pub const FOUR_LETTER_WORDS: [[u8; PREFIX_LEN]; 19] = [
    *b"conf",
    *b"cons",
    *b"crst",
    *b"dirs",
    *b"dump",
    *b"envi",
    *b"gtmk",
    *b"hash",
    *b"isro",
    *b"mntr",
    *b"ruok",
    *b"srst",
    *b"srvr",
    *b"stat",
    SET_TRACE_MASK,
    *b"wchc",
    *b"wchp",
    *b"wchs",
    TELNET_INTERRUPT,
];

/// Whether the first bytes of a connection are a four-letter word.
pub(super) fn is_word(bytes: [u8; PREFIX_LEN]) -> bool {
    FOUR_LETTER_WORDS.contains(&bytes)
}
