//! Audio, from the bytes of a recording to figures, a waveform and speech-ready samples.
