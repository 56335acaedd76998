"""Response to treatment: lesions followed over exams, measured, and judged by RECIST 1.1."""
