"""People in pictures, videos and cameras: detector, frames, tracks. No labels are known here."""
