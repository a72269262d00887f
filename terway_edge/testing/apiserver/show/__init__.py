"""What is shown of objects: tables, metadata alone, discovery documents, OpenAPI documents."""
