"""People in pictures, videos and cameras: frames, tracks, results. No labels are known here."""
