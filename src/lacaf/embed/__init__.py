"""Prompts to frozen vectors, once: whoever trains or infers later needs no encoder."""

from lacaf.embed.stage import EmbedError, embed, fingerprint

__all__ = ["EmbedError", "embed", "fingerprint"]
