"""The knowledge base (知识库, 热线百科): what the hotline answers, and how that is reviewed, found and kept."""
