//! Watches whisper.cpp's decoder and ends a text that has run away.
//!
//! whisper.cpp decodes up to 220 tokens in a row. Its abort callback is asked before a graph is computed and knows no
//! tokens; its segment callback comes when the text is complete. The logits filter is called before each token is
//! chosen and sees all tokens so far, so that is where a loop is noticed: the filter then leaves the end of the text as
//! the only choice.

use std::ffi::{c_int, c_void};

use undertone_recognition::Guard;
use whisper_rs::whisper_rs_sys::whisper_full_lang_id_from_state;
use whisper_rs::{WhisperSysContext, WhisperSysState, WhisperTokenData, WhisperTokenId, get_lang_str};

/// What the decoder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// When a text must not go on.
    pub guard: Guard,
    /// The language as ISO 639-1 code, or `None` if whisper.cpp is to find out, which it does before it decodes.
    pub language: Option<&'static str>,
    /// The token that ends a text; what is text has a lower number.
    pub end_of_text: WhisperTokenId,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
}

impl Filter {
    /// Leaves the end of the text as the only choice, if it must not go on.
    fn apply(&self, tokens: &[WhisperTokenData], language: &str, logits: &mut [f32]) {
        let text: Vec<WhisperTokenId> =
            tokens.iter().map(|token| token.id).filter(|id| *id < self.end_of_text).collect();
        if self.guard.stop(&text, language).is_some() {
            for (id, logit) in (0..).zip(logits) {
                if id != self.end_of_text {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
    }
}

/// whisper.cpp's logits filter, with a [`Filter`] as its user data.
///
/// Beam search calls it from several threads at once; it changes nothing but the logits.
///
/// # Safety
///
/// `tokens` is null or has `count` tokens, `logits` has one value for each token of the vocabulary, and `user_data` is
/// a [`Filter`] that outlives the call. If it has no language, the state is that of the decoding.
pub unsafe extern "C" fn filter_logits(
    _: *mut WhisperSysContext,
    state: *mut WhisperSysState,
    tokens: *const WhisperTokenData,
    count: c_int,
    logits: *mut f32,
    user_data: *mut c_void,
) {
    let count = usize::try_from(count).unwrap_or(0);
    if tokens.is_null() || count == 0 {
        return;
    }
    // SAFETY: the caller's promises.
    let (filter, tokens) =
        unsafe { (&*user_data.cast::<Filter>(), std::slice::from_raw_parts(tokens, count)) };
    // SAFETY: the caller's promises; whisper.cpp gives each decoder logits of its own.
    let logits = unsafe { std::slice::from_raw_parts_mut(logits, filter.vocabulary) };
    // SAFETY: the caller's promises; it reads a number.
    let found = || get_lang_str(unsafe { whisper_full_lang_id_from_state(state) });
    filter.apply(tokens, filter.language.or_else(found).unwrap_or("en"), logits);
}

#[cfg(test)]
mod tests {
    use undertone_recognition::RepetitionRule;

    use super::*;

    const END: WhisperTokenId = 50;

    fn filter() -> Filter {
        let repetition = RepetitionRule { most: 3, least_added: 9, never_again: None };
        let guard = Guard { repetition, most_tokens: 40, most_english_tokens: 30 };
        Filter { guard, language: Some("en"), end_of_text: END, vocabulary: 60 }
    }

    fn data(id: WhisperTokenId) -> WhisperTokenData {
        WhisperTokenData {
            id,
            tid: 0,
            p: 0.5,
            plog: -0.7,
            pt: 0.0,
            ptsum: 0.0,
            t0: 0,
            t1: 0,
            t_dtw: 0,
            vlen: 0.0,
        }
    }

    /// The choices that the filter leaves behind these tokens.
    fn choices(ids: &[WhisperTokenId]) -> Vec<usize> {
        choices_in("en", ids)
    }

    fn choices_in(language: &'static str, ids: &[WhisperTokenId]) -> Vec<usize> {
        let tokens: Vec<_> = ids.iter().copied().map(data).collect();
        let mut logits = vec![0.0; 60];
        let mut filter = Filter { language: Some(language), ..filter() };
        // SAFETY: the pointers and lengths belong together, and all outlive the call.
        unsafe {
            filter_logits(
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                tokens.as_ptr(),
                tokens.len() as c_int,
                logits.as_mut_ptr(),
                (&raw mut filter).cast(),
            );
        }
        (0..60).filter(|id| logits[*id] > f32::NEG_INFINITY).collect()
    }

    #[test]
    fn a_text_that_goes_somewhere_is_left_alone() {
        assert_eq!(choices(&[]).len(), 60);
        assert_eq!(choices(&(0..29).collect::<Vec<_>>()).len(), 60);
    }

    #[test]
    fn a_loop_can_only_end() {
        let looped = [1, 2, 3].repeat(4);
        assert_eq!(choices(&looped), [END as usize]);
        assert_eq!(choices(&looped[..11]).len(), 60, "not before the fourth time is complete");
    }

    #[test]
    fn a_text_without_end_is_ended() {
        let long: Vec<_> = (0..30).collect();
        assert_eq!(choices(&long), [END as usize]);
    }

    #[test]
    fn a_text_in_another_language_goes_on_where_an_english_one_must_end() {
        let long: Vec<_> = (0..40).collect();
        assert_eq!(choices_in("te", &long[..39]).len(), 60);
        assert_eq!(choices_in("te", &long), [END as usize]);
    }

    #[test]
    fn what_is_no_text_does_not_count() {
        let stamped: Vec<_> = (0..29).chain([END + 1, END + 2, END + 3]).collect();
        assert_eq!(choices(&stamped).len(), 60);
    }
}
